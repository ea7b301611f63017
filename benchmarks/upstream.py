"""The upstream of all peers: a program of its own, told by lines how to answer."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .measuring import serving

RATE_SECONDS = 0.5
RATE_LINES = 16  # connections, so that the server need never wait for who measures it


class Upstream(NamedTuple):
    """Where it is."""

    url: str
    process: subprocess.Popen[str]

    @property
    def environ(self) -> dict[str, str]:
        """The environment that leads a program there, and nowhere else."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer benchmark",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
        }

    def answers(self, settings: Mapping[str, Any]) -> None:
        """Let it answer so from now on, and count anew; see the program."""
        self._say(settings)

    def calls(self) -> int:
        """Return how many requests have come since."""
        return self._say(None)

    def _say(self, line: Mapping[str, Any] | None) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(line), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


def rate_of(url: str, token: str = "") -> float:
    """Return how many requests for credentials a server answers in a second, over connections that are kept."""
    where = urlsplit(url)
    head = f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: {token}\r\n\r\n".encode()
    with ExitStack() as stack:
        place = (where.hostname, where.port)
        lines = [stack.enter_context(socket.create_connection(place)) for _ in range(RATE_LINES)]
        answered, started = 0, perf_counter()
        while perf_counter() - started < RATE_SECONDS:
            for line in lines:
                line.sendall(head)
            for line in lines:
                while not line.recv(65_536).endswith(b"}"):
                    pass
            answered += len(lines)
        return answered / (perf_counter() - started)


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Serve as long as the ``with`` lasts."""
    with serving("upstream.py") as (process, words):
        yield Upstream(words[0], process)
