"""Serve AssumeRole until the standard input ends, fast enough that no client waits for the server.

Prints its URL, then a response to each line: the number of requests since the last line, and the largest number of them
that were in progress at once. Each request takes ``LATENCY``. Signatures are not verified.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from itertools import count
from time import gmtime, strftime, time
from typing import Any

LATENCY = 0.02  # seconds: about the response time of STS in the same region
LIFETIME = 3600.0  # seconds
TOKEN = "t" * 900  # about as long as a token of STS
BODY = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>'
    "<AssumedRoleId>AROAEXAMPLE:demo</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/Demo/demo</Arn>"
    "</AssumedRoleUser><Credentials><AccessKeyId>ASIABENCH{number:011d}</AccessKeyId><SecretAccessKey>no-secret"
    "</SecretAccessKey><SessionToken>{number}{token}</SessionToken><Expiration>{end}</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)


class Sts:
    """The counters of requests."""

    def __init__(self) -> None:
        self.serial = count(1)
        self.take()

    def take(self) -> str:
        """Return the counters, and reset them."""
        text = f"{getattr(self, 'requests', 0)} {getattr(self, 'most', 0)}"
        self.requests = self.running = self.most = 0
        return text

    def begin(self) -> None:
        """Count a request."""
        self.requests += 1
        self.running += 1
        self.most = max(self.most, self.running)

    def end(self) -> bytes:
        """Return the bytes of a response."""
        self.running -= 1
        end = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(time() + LIFETIME))
        body = BODY.format(number=next(self.serial), token=TOKEN, end=end).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Connection(asyncio.Protocol):
    """One connection. Every request gets new credentials."""

    def __init__(self, sts: Sts) -> None:
        self.sts = sts
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport: Any = transport  # uvloop's transport has another base class

    def data_received(self, data: bytes) -> None:
        """Respond to a request when its form is complete: it has the API's version, and ends with the session name."""
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if length and len(body) >= length:
            self.received = b""
            self.sts.begin()
            asyncio.get_running_loop().call_later(LATENCY, self.send)

    def send(self) -> None:
        """Send a response unless the client has disconnected."""
        response = self.sts.end()
        if not self.transport.is_closing():
            self.transport.write(response)


async def main() -> None:
    """Serve requests and handle commands."""
    loop = asyncio.get_running_loop()
    sts, ended = Sts(), loop.create_future()
    server = await loop.create_server(lambda: Connection(sts), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)

    def read_commands() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(lambda: print(sts.take(), flush=True))
        loop.call_soon_threadsafe(ended.set_result, None)

    threading.Thread(target=read_commands, daemon=True).start()
    await ended


if __name__ == "__main__":
    asyncio.run(main())
