"""A server on a loopback socket, for any event loop. Its subclass decides what happens after a request.

It uses plain sockets instead of anyio's streams, because faults must look the same on every event loop: a reset, or a
response that is cut off.
"""

from __future__ import annotations

import math
import socket
import struct
from types import TracebackType
from typing import Self

import anyio
import h11
from anyio.abc import TaskGroup

from .messages import FakeRequest
from .request_reader import RequestReader
from .steps import Script

_OUT_OF_FILES_PAUSE = 0.01  # seconds until the next attempt to accept, when the process has no file descriptor left
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_RECEIVE_SIZE = 16 * 1024  # bytes; the requests of AWS SDKs are a few hundred bytes long
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, with 0 s


class Connection:
    """A connection to one client."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._requests = RequestReader()
        self.number = number

    async def next_request(self) -> FakeRequest | None:
        """Return the next request; None if the client closes the connection. Raises ``h11.RemoteProtocolError``."""
        while (request := self._requests.next_request()) is None:
            if self._requests.is_closed:
                return None
            self._requests.receive(await self._receive())
        return request

    async def perform(self, script: Script) -> bool:
        """Perform the steps for a request. Return whether it stays open. Raises ``OSError`` on a disconnect."""
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
        """Wait. Raises ``ConnectionResetError`` as soon as the client closes the connection."""
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self._sock)
            if not self._sock.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError
            await anyio.sleep_forever()  # the client has sent more data, which hides its close

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._sock.recv(_RECEIVE_SIZE)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)


class LoopbackServer:
    """Serves within ``async with``."""

    def __init__(self, host: str) -> None:
        self.connections: int = 0
        self._host = host
        self._listener: socket.socket | None = None
        self._tasks: TaskGroup | None = None
        self._open_connections: set[Connection] = set()

    @property
    def service_url(self) -> str:
        """The endpoint of all services. Raises ``RuntimeError`` if the fake is not serving."""
        if self._listener is None:
            raise RuntimeError("this FakeAWS is not serving; use 'async with' or FakeAWS.in_thread()")
        port = self._listener.getsockname()[1]
        return f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise RuntimeError("this FakeAWS is already serving")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Thousands of clients may connect at once: use the longest queue that the system allows.
        self._listener = socket.create_server((self._host, 0), family=family, backlog=socket.SOMAXCONN)
        self._listener.setblocking(False)
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._accept, self._listener, self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks, listener = self._tasks, self._listener
        assert tasks is not None
        assert listener is not None
        # The task group does not get the error of the body, so that the error leaves unchanged. The shield prevents
        # a cancellation from replacing that error; the tasks end at once.
        tasks.cancel_scope.shield = True
        tasks.cancel_scope.cancel()
        try:
            await tasks.__aexit__(None, None, None)
        finally:
            self._tasks = self._listener = None
            listener.close()
            for connection in self._open_connections:
                connection.close()  # its task was cancelled before its first step
            self._open_connections.clear()

    async def _accept(self, listener: socket.socket, tasks: TaskGroup) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                await anyio.wait_readable(listener)
            except OSError:
                await anyio.sleep(_OUT_OF_FILES_PAUSE)
            else:
                self.connections += 1
                connection = Connection(sock, self.connections)
                self._open_connections.add(connection)
                tasks.start_soon(self._serve, connection)

    async def _serve(self, connection: Connection) -> None:
        try:
            while (request := await connection.next_request()) is not None:
                if not await connection.perform(self._steps_for(request, connection.number)):
                    break
        except h11.RemoteProtocolError:
            await connection.send(_BAD_REQUEST)
        except OSError:
            pass  # a client may disconnect at any time
        finally:
            self._open_connections.discard(connection)
            connection.close()

    def _steps_for(self, request: FakeRequest, connection: int) -> Script:
        """Return the steps that follow a request."""
        raise NotImplementedError
