"""A connection of ``MemoryNetwork``. It performs the server's steps while the client reads, without a task."""

from __future__ import annotations

import errno
import math
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import anyio
import anyio.lowlevel
import h11

from .._fake_aws.messages import FakeRequest
from .._fake_aws.request_reader import RequestReader
from .._fake_aws.steps import Script, Step

_BAD_REQUEST: Script = [("send", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), ("close",)]


class MemoryConnection:
    """A connection of a ``MemoryNetwork``, or an attempt to connect, with a record of what the client did.

    The network creates it. ``httpcore`` is the module of that name, or has the same exceptions, and ``steps_for``
    returns the steps for a request.

    Attributes:
        number: The number of the connection, from 1.
        host: The host, exactly as the client requested it.
        port: The port.
        at: The time of the request to connect, by the event loop's clock.
        was_accepted: Whether the server accepted the connection.
        closed_at: When the client closed the connection, or stopped its attempt to connect; None: it has not.
        server_name: The name that TLS would have verified; None: the client did not request TLS.
        requests: The number of complete requests.
        written: All bytes that the client has written.
        bytes_read: The number of bytes that the client has read.
    """

    def __init__(
        self, number: int, host: str, port: int, httpcore: Any, steps_for: Callable[[FakeRequest], Script]
    ) -> None:
        self.number: int = number
        self.host: str = host
        self.port: int = port
        self.at: float = anyio.current_time()
        self.was_accepted: bool = False
        self.closed_at: float | None = None
        self.server_name: str | None = None
        self.requests: int = 0
        self.written: bytes = b""
        self.bytes_read: int = 0
        self._httpcore = httpcore
        self._steps_for = steps_for
        self._reader = RequestReader()
        self._steps: deque[Step] = deque()
        self._buffer = b""
        self._end: Literal["close", "reset"] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's interface
        """Return the next bytes: at most one piece and ``max_bytes``, within ``timeout`` seconds."""
        await anyio.lowlevel.checkpoint()
        if self.closed_at is not None:
            raise_os_error(self._httpcore.ReadError, errno.EBADF)
        with anyio.move_on_after(math.inf if timeout is None else timeout):
            while not self._buffer and self._end is None:
                await self._perform_step()
            if self._end == "reset" and not self._buffer:
                raise_os_error(self._httpcore.ReadError, errno.ECONNRESET)
            data, self._buffer = self._buffer[:max_bytes], self._buffer[max_bytes:]
            self.bytes_read += len(data)
            return data
        raise self._httpcore.ReadTimeout

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's interface
        """Receive ``buffer`` from the client, without a ``timeout``. A complete request adds its steps."""
        await anyio.lowlevel.checkpoint()
        if self._end is not None or self.closed_at is not None:
            raise_os_error(self._httpcore.WriteError, errno.EPIPE)
        if not buffer:
            return  # httpcore writes an empty body as b"", which would end the connection for the parser
        self.written += buffer
        self._reader.receive(buffer)
        try:
            request = self._reader.next_request()
        except h11.RemoteProtocolError:
            self._steps.extend(_BAD_REQUEST)
            return
        if request is not None:
            self.requests += 1
            self._steps.extend(self._steps_for(request))

    async def aclose(self) -> None:
        """Close the connection on the client's side."""
        self._close()

    def _close(self) -> None:
        if self.closed_at is None:
            self.closed_at = anyio.current_time()

    async def start_tls(
        self,
        ssl_context: object,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
    ) -> MemoryConnection:
        """Record ``server_hostname`` and continue without TLS. ``ssl_context`` and ``timeout`` are not used."""
        self.server_name = server_hostname
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return whether the connection is readable if ``info`` is ``"is_readable"``. httpcore so notices a close."""
        if info == "is_readable":
            return bool(self._buffer or self._end or (self._steps and self._steps[0][0] in ("send", "close", "reset")))
        return None

    async def _perform_step(self) -> None:
        if not self._steps:
            await anyio.sleep_forever()  # there is no request to respond to
        step = self._steps.popleft()
        match step:
            case ("send", data):
                self._buffer = data
            case ("sleep", seconds):
                await anyio.sleep(seconds)
            case ("drip", data, every, count) if count != 0:
                self._steps.appendleft(("drip", data, every, None if count is None else count - 1))
                await anyio.sleep(every)
                self._buffer = data
            case ("close",) | ("reset",):
                self._end = step[0]
            case ("hang",):
                await anyio.sleep_forever()


class SocketErrors:
    """The errors that sockets raise, with httpcore's names."""

    ConnectError = ReadError = WriteError = OSError


class PlainConnection:
    """A ``MemoryConnection`` as plain http uses it."""

    def __init__(self, connection: MemoryConnection) -> None:
        self._connection = connection

    async def send(self, data: bytes, before_wait: Callable[[], None]) -> None:
        """Send all bytes."""
        before_wait()
        await self._connection.write(data)

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next bytes."""
        return await self._connection.read(max_bytes)

    def is_readable(self) -> bool:
        """Return whether there is something to read."""
        return bool(self._connection.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close the connection."""
        self._connection._close()


def raise_os_error(kind: Any, number: int) -> NoReturn:
    """Raise an error of httpcore with the ``OSError`` that a socket would have raised as its cause."""
    try:
        raise OSError(number, os.strerror(number))
    except OSError as error:
        raise kind(str(error)) from error
