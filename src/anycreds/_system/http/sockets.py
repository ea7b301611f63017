"""TCP connections to addresses for plain http. A name is never resolved.

A socket is closed without waiting, so that no cancellation can leave one open.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol, Self, TypeAlias

import anyio

MAX_READ = 64 * 1024  # bytes of one read; a response with credentials has a few KiB


def do_nothing() -> None:
    """Prepare nothing before waiting."""


class Stream(Protocol):
    """A connection. Errors are ``OSError``."""

    async def send(self, data: bytes, before_wait: Callable[[], None]) -> None:
        """Send all bytes. Call ``before_wait`` before waiting."""

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next bytes; none if the server has closed the connection."""

    def is_readable(self) -> bool:
        """Return whether the server has closed the connection, or sent more than was requested."""

    def close(self) -> None:
        """Close the connection."""


Connect: TypeAlias = Callable[[str, int, Callable[[], None]], Awaitable[Stream]]
"""Opens a connection to an address and port. Calls its last argument before it waits."""


class SocketStream:
    """A TCP connection. Whatever ends a wait, the socket has no task or callback that would have to be ended too."""

    __slots__ = ("_socket",)

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    async def connect(cls, address: str, port: int, before_wait: Callable[[], None] = do_nothing) -> Self:
        """Connect to an IP address. Call ``before_wait`` before waiting."""
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                made.connect((address, port))
            except BlockingIOError:
                await _wait_until_connected(made, before_wait)
        except BaseException:
            made.close()
            raise
        return cls(made)

    async def send(self, data: bytes, before_wait: Callable[[], None] = do_nothing) -> None:
        """Send all bytes. See ``Stream``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                before_wait()
                await anyio.wait_writable(self._socket)

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next bytes. See ``Stream``."""
        while True:
            await anyio.wait_readable(self._socket)
            try:
                return self._socket.recv(max_bytes)
            except BlockingIOError:  # a system may report data that it drops then
                continue

    def is_readable(self) -> bool:
        """Return whether there is something to read, or the connection is closed. See ``Stream``."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        return True

    def close(self) -> None:
        """Close the connection. See ``Stream``."""
        self._socket.close()


async def _wait_until_connected(connecting: socket.socket, before_wait: Callable[[], None]) -> None:
    try:
        connecting.getpeername()  # it is already, as usual on this machine; a wait takes longer than everything else
    except OSError:
        before_wait()
        await anyio.wait_writable(connecting)
        if number := connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number)) from None
