"""The container endpoint of all peers: a separate program that is configured over its standard input."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .measurement import serving

RATE_CONNECTIONS = 16  # connections, so that the server never waits for the client


class Upstream(NamedTuple):
    """The running endpoint."""

    url: str
    process: subprocess.Popen[str]

    @property
    def environ(self) -> dict[str, str]:
        """The environment that makes this endpoint a program's only source."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer benchmark",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
        }

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change the endpoint's behaviour and reset its counter; see ``programs/upstream.py``."""
        self._send(settings)

    def requests(self) -> int:
        """Return the number of requests since the last ``configure``."""
        return self._send(None)

    def _send(self, line: Mapping[str, Any] | None) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(line), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


def measure_rate(url: str, token: str = "", *, seconds: float) -> float:
    """Return the number of credentials requests per second that a server responds to, over persistent connections."""
    url_parts = urlsplit(url)
    head = f"GET {url_parts.path} HTTP/1.1\r\nHost: {url_parts.netloc}\r\nAuthorization: {token}\r\n\r\n".encode()
    with ExitStack() as stack:
        endpoint = (url_parts.hostname, url_parts.port)
        connections = [stack.enter_context(socket.create_connection(endpoint)) for _ in range(RATE_CONNECTIONS)]
        responses, started = 0, perf_counter()
        while perf_counter() - started < seconds:
            for connection in connections:
                connection.sendall(head)
            for connection in connections:
                while not connection.recv(65_536).endswith(b"}"):
                    pass
            responses += len(connections)
        return responses / (perf_counter() - started)


@contextmanager
def upstream() -> Iterator[Upstream]:
    """Run the endpoint inside the ``with`` block."""
    with serving("upstream.py") as (process, words):
        yield Upstream(words[0], process)
