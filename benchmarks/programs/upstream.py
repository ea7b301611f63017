"""Serve container credentials until the standard input ends, as fast as Python can: no peer is to wait for the server.

Prints its URL, then an answer to each line. A line is JSON: how to answer from now on (``latency`` in seconds,
``lifetime`` of the sets in seconds; ``gives``: ``new`` sets, the ``same`` set each time, or ``nothing`` but status
500), which sets the counter to zero; or ``null``. The answer is how many requests have come.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from email.utils import formatdate
from itertools import count
from time import gmtime, strftime, time
from typing import Any

PATH = "/v2/credentials/benchmark"
TOKEN = "t" * 900  # about as long as those of STS
OUT_OF_ORDER = b'{"code": "InternalError", "message": "this upstream is out of order"}'


class Upstream:
    """What is answered, and how often it was asked for."""

    def __init__(self) -> None:
        self.serial = count(1)
        self.change({"latency": 0.0, "lifetime": 6 * 3600.0, "gives": "new"})

    def change(self, settings: dict[str, Any]) -> None:
        """Answer in this way from now on, and count anew."""
        self.latency: float = settings["latency"]
        self.lifetime: float = settings["lifetime"]
        self.gives: str = settings["gives"]
        self.calls = 0
        self.kept = self.new_set()

    def new_set(self) -> bytes:
        """Return the document of one more set."""
        number = next(self.serial)
        end = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(time() + self.lifetime))
        fields = {"AccessKeyId": f"ASIABENCH{number:011d}", "SecretAccessKey": "no-secret", "Token": TOKEN}
        return json.dumps({**fields, "Expiration": end, "RoleArn": "arn:aws:iam::123456789012:role/Demo"}).encode()

    def answer(self) -> bytes:
        """Return one answer, as it stands on the wire."""
        self.calls += 1
        if self.gives == "nothing":
            return _message("500 Internal Server Error", OUT_OF_ORDER)
        return _message("200 OK", self.kept if self.gives == "same" else self.new_set())


def _message(status: str, body: bytes) -> bytes:
    head = f"Date: {formatdate(usegmt=True)}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode() + body


class Line(asyncio.Protocol):
    """One connection. Whatever is asked, the answer is the set."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport: Any = transport  # uvloop's has not asyncio's class

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head has come; none has a body."""
        *heads, self.received = (self.received + data).split(b"\r\n\r\n")
        for _ in heads:
            answer = self.upstream.answer()
            if self.upstream.latency:
                asyncio.get_running_loop().call_later(self.upstream.latency, self.send, answer)
            else:
                self.send(answer)

    def send(self, answer: bytes) -> None:
        """Answer, unless the client has left meanwhile."""
        if not self.transport.is_closing():
            self.transport.write(answer)


async def main() -> None:
    """Serve, and obey."""
    loop = asyncio.get_running_loop()
    upstream, ended = Upstream(), loop.create_future()
    server = await loop.create_server(lambda: Line(upstream), "127.0.0.1", 0, backlog=16_384)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}", flush=True)

    def obey(line: str) -> None:
        print(upstream.calls, flush=True)
        if (settings := json.loads(line)) is not None:
            upstream.change(settings)

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(obey, line)
        loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=listen, daemon=True).start()
    await ended


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
