"""A server on a real loopback socket, on any event loop. It knows connections and requests, not what they mean."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

import anyio
import h11
from anyio.abc import TaskGroup

from .connection import ClientGoneError, Line
from .messages import Asked

_OUT_OF_FILES_PAUSE = 0.01  # seconds until the next try to accept, when the process has no file descriptor left


class Server:
    """Serves while its ``async with`` lasts. What is answered is up to ``_exchange``."""

    def __init__(self, host: str) -> None:
        self.connections = 0
        self._host = host
        self._listener: socket.socket | None = None
        self._tasks: TaskGroup | None = None
        self._lines: set[Line] = set()

    @property
    def service_url(self) -> str:
        """The endpoint of all services. Raises ``RuntimeError`` if the fake does not serve."""
        if self._listener is None:
            raise RuntimeError("this FakeAWS does not serve: use 'async with' or FakeAWS.in_thread()")
        port = self._listener.getsockname()[1]
        return f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise RuntimeError("this FakeAWS serves already")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # Thousands of clients may knock in one instant: as long a queue as the system gives.
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
        # The task group is not told of the body's error, which so passes unchanged. It ends at once; shielded, no
        # cancellation around it can take the place of that error.
        tasks.cancel_scope.shield = True
        tasks.cancel_scope.cancel()
        try:
            await tasks.__aexit__(None, None, None)
        finally:
            self._tasks = self._listener = None
            listener.close()
            for line in self._lines:
                line.close()  # of a task that never came to its first step
            self._lines.clear()

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
                line = Line(sock, self.connections)
                self._lines.add(line)
                tasks.start_soon(self._serve, line)

    async def _serve(self, line: Line) -> None:
        try:
            while (asked := await line.next_request()) is not None:
                if not await self._exchange(line, asked):
                    break
        except h11.RemoteProtocolError:
            await line.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        except (OSError, ClientGoneError):
            pass  # the client left, which it may do at any time
        finally:
            self._lines.discard(line)
            line.close()

    async def _exchange(self, line: Line, asked: Asked) -> bool:
        """Answer one request. Return whether the connection may go on."""
        raise NotImplementedError
