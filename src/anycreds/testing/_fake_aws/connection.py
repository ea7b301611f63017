"""A connection of the fake on a non-blocking socket.

It uses plain sockets instead of anyio's streams, because faults must look the same on every event loop: a reset, or a
response that is cut off.
"""

from __future__ import annotations

import math
import socket
import struct

import anyio

from .messages import FakeRequest
from .request_reader import RequestReader
from .steps import Script

_RECEIVE_SIZE = 16 * 1024  # bytes; the requests of AWS SDKs are a few hundred bytes long
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, with 0 s


class ClientDisconnectedError(Exception):
    """The client has closed the connection before its response was sent."""


class Connection:
    """A connection to one client."""

    __slots__ = ("_requests", "_sock", "number")

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._requests = RequestReader()
        self.number = number

    async def next_request(self) -> FakeRequest | None:
        """Wait for the next complete request and return it; None if the client closes the connection.

        Raises ``h11.RemoteProtocolError`` if the bytes are not HTTP.
        """
        while (request := self._requests.next_request()) is None:
            if self._requests.is_closed:
                return None
            self._requests.receive(await self._receive())
        return request

    async def perform(self, script: Script) -> bool:
        """Perform the steps for a request. Return whether the connection stays open for another request.

        Raises:
            OSError: The connection failed.
            ClientDisconnectedError: The client closed the connection during a wait.
        """
        for step in script:
            match step:
                case ("send", data):
                    await self.send(data)
                case ("sleep", seconds):
                    await self._pause(seconds)
                case ("drip", data, every, count):
                    sent = 0
                    while sent != count:
                        await self._pause(every)
                        await self.send(data)
                        sent += 1
                case ("hang",):
                    await self._pause(math.inf)
                case ("reset",):
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                    return False
                case _:
                    return False
        return self._requests.keep_alive

    async def send(self, data: bytes) -> None:
        """Send bytes. Raises ``OSError`` if the connection failed."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    async def _pause(self, seconds: float) -> None:
        """Wait. Raises ``ClientDisconnectedError`` as soon as the client closes the connection."""
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self._sock)
            if not self._sock.recv(1, socket.MSG_PEEK):
                raise ClientDisconnectedError
            await anyio.sleep_forever()  # the client has sent more data, which hides its close

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._sock.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)
