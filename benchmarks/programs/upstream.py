"""Serve container credentials until the standard input ends, fast enough that no peer waits for the server.

Prints its URL, then a response to each line. A line is JSON: new settings (``latency`` in seconds, ``lifetime`` of the
credentials in seconds, and ``mode``: ``new`` credentials each time, the ``same`` each time, or an ``error`` with status
500), which also reset the counter; or ``null``. The response is the number of requests.
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
TOKEN = "t" * 900  # about as long as a token of STS
ERROR_BODY = b'{"code": "InternalError", "message": "the upstream is down"}'


class Upstream:
    """The settings and the request counter."""

    def __init__(self) -> None:
        self.serial = count(1)
        self.change({"latency": 0.0, "lifetime": 6 * 3600.0, "mode": "new"})

    def change(self, settings: dict[str, Any]) -> None:
        """Change the settings, and reset the counter."""
        self.latency: float = settings["latency"]
        self.lifetime: float = settings["lifetime"]
        self.mode: str = settings["mode"]
        self.requests = 0
        self.same_document = self.new_document()

    def new_document(self) -> bytes:
        """Return a document with new credentials."""
        number = next(self.serial)
        end = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(time() + self.lifetime))
        fields = {"AccessKeyId": f"ASIABENCH{number:011d}", "SecretAccessKey": "no-secret", "Token": TOKEN}
        return json.dumps({**fields, "Expiration": end, "RoleArn": "arn:aws:iam::123456789012:role/Demo"}).encode()

    def response(self) -> bytes:
        """Count a request, and return the bytes of its response."""
        self.requests += 1
        if self.mode == "error":
            return _message("500 Internal Server Error", ERROR_BODY)
        return _message("200 OK", self.same_document if self.mode == "same" else self.new_document())


def _message(status: str, body: bytes) -> bytes:
    head = f"Date: {formatdate(usegmt=True)}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One connection. Every request gets the credentials."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport: Any = transport  # uvloop's transport has another base class

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request head; requests have no body."""
        *heads, self.received = (self.received + data).split(b"\r\n\r\n")
        for _ in heads:
            response = self.upstream.response()
            if self.upstream.latency:
                asyncio.get_running_loop().call_later(self.upstream.latency, self.send, response)
            else:
                self.send(response)

    def send(self, response: bytes) -> None:
        """Send a response unless the client has disconnected."""
        if not self.transport.is_closing():
            self.transport.write(response)


async def main() -> None:
    """Serve requests and handle commands."""
    loop = asyncio.get_running_loop()
    upstream, ended = Upstream(), loop.create_future()
    server = await loop.create_server(lambda: Connection(upstream), "127.0.0.1", 0, backlog=16_384)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}", flush=True)

    def handle(line: str) -> None:
        print(upstream.requests, flush=True)
        if (settings := json.loads(line)) is not None:
            upstream.change(settings)

    def read_commands() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(handle, line)
        loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=read_commands, daemon=True).start()
    await ended


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
