"""A server that records the bytes of requests and sends scripted bytes."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

import anycreds._system.http.services  # noqa: F401 - loads httpx before the tests, whose timeouts are short
from anycreds.testing import CANARY, FakeAWS

DOCUMENT = (
    b'{"AccessKeyId": "AKIDPEER", "SecretAccessKey": "' + CANARY.encode() + b'-secret", '
    b'"Token": "' + CANARY.encode() + b'-session", "Expiration": "2999-01-01T00:00:00Z"}'
)
_CLOSED_AFTER = 10.0  # seconds until a closed connection is noticed; usually a few milliseconds


def ok(body: bytes = DOCUMENT, *headers: str) -> bytes:
    """Return a complete response with status 200."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


class RawHttpServer:
    """The scripted responses of a server, and the requests that it received."""

    def __init__(self, *responses: bytes) -> None:
        self.responses = list(responses)
        self.port = 0
        self.heads: list[bytes] = []
        """The heads of the requests, including the blank line."""
        self.connections = 0
        self.open = 0

    @property
    def lines(self) -> list[str]:
        """The request line and headers of the only request."""
        (head,) = self.heads
        return head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")

    async def serve(self, stream: ByteStream) -> None:
        """Serve one connection. After the last scripted response, do not respond."""
        self.connections += 1
        self.open += 1
        try:
            async with stream:
                await self._respond(stream)
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            pass
        finally:
            self.open -= 1

    async def _respond(self, stream: ByteStream) -> None:
        received = b""
        while True:
            received += await stream.receive()
            head, blank, rest = received.partition(b"\r\n\r\n")
            if blank:
                self.heads.append(head + blank)
                received = rest
                if self.responses:
                    response = self.responses.pop(0)
                    await stream.send(response)
                    if b"Connection: close" in response:
                        return

    async def closed(self) -> bool:
        """Return whether every connection is closed soon."""
        with anyio.move_on_after(_CLOSED_AFTER):
            while self.open:  # noqa: ASYNC110 - other tasks change it
                await anyio.sleep(0.001)
        return not self.open


@asynccontextmanager
async def serving(
    *responses: bytes, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RawHttpServer]:
    """Serve on loopback within ``async with``, over TLS if there is a ``context``."""
    peer = RawHttpServer(*responses)
    async with await anyio.create_tcp_listener(local_host=host, local_port=0) as plain:
        peer.port = plain.extra(SocketAttribute.local_port)
        listener = plain if context is None else TLSListener(plain, context, standard_compatible=False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, peer.serve)
            yield peer
            tasks.cancel_scope.cancel()


async def closed(aws: FakeAWS) -> bool:
    """Return whether every connection of a fake is closed soon."""
    with anyio.move_on_after(_CLOSED_AFTER):
        while aws._open_connections:  # noqa: ASYNC110 - the fake has no event for this
            await anyio.sleep(0.001)
    return not aws._open_connections
