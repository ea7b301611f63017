"""``FakeAWS``: the metadata services on a real loopback socket, counted and scripted. Only this file serves."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, Unpack

import anyio
import h11
from anyio.abc import TaskGroup

from . import _fake_faults as faults
from ._fake_http import ClientGoneError, Exchange, Line
from ._fake_metadata import CONTAINER_PATH, ROUTES, Answer, Asked, Metadata, route_of
from ._fake_settings import FakeSettings, MetadataSettings
from ._faults import Expired, Fault, Forever, OneFault

_OUT_OF_FILES_PAUSE = 0.01  # seconds until the next try to accept, when the process has no file descriptor left


class FakeAWS(Metadata):
    """EC2 instance metadata (IMDSv2) and container credentials (ECS, EKS) on one loopback port.

    ``async with FakeAWS() as aws:`` serves on the running event loop, trio or asyncio. ``with FakeAWS.in_thread() as
    aws:`` serves from a thread of its own, for code without a loop, and for loops that are themselves under test.
    Point a program at it with the variables in ``metadata_environ()`` or ``container_environ()``.

    Settings (keywords; also attributes that may be changed while it serves):

    - ``role_name``: the instance's role; None: it has none, and the role list answers 404
    - ``lifetime``: how many seconds a new set lives (6 hours)
    - ``latency``: seconds to wait before each answer (0)
    - ``token_ttl``: the longest life of an IMDSv2 token, in seconds; None: as long as is asked for
    - ``sticky``: hand out the same set until five minutes before its end, as EC2 does; else a new one each time
    - ``clock``: whose ``time()`` sets are dated by; default: the real one
    - ``account_id``: the account of role and sets
    - ``imds_v1``: answer metadata requests without a token too
    - ``token_status``: refuse requests for a token with this status; None: grant them
    - ``host``: the loopback address to serve at, ``"127.0.0.1"`` or ``"::1"`` (only when made)

    ``exchanges`` lists every request, ``issued`` counts the sets, ``connections`` the connections.
    """

    def __init__(self, *, host: str = "127.0.0.1", latency: float = 0.0, **settings: Unpack[MetadataSettings]) -> None:
        super().__init__(**settings)
        self.latency = latency
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self._host = host
        self._scripts: dict[str, deque[Fault]] = {route: deque() for route in ROUTES}
        self._listener: socket.socket | None = None
        self._tasks: TaskGroup | None = None
        self._lines: set[Line] = set()

    @property
    def metadata_url(self) -> str:
        """The endpoint of the instance metadata service. Raises ``RuntimeError`` if the fake does not serve."""
        if self._listener is None:
            raise RuntimeError("this FakeAWS does not serve: use 'async with' or FakeAWS.in_thread()")
        port = self._listener.getsockname()[1]
        return f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"

    @property
    def container_url(self) -> str:
        """The full URI of the container credentials. Raises ``RuntimeError`` if the fake does not serve."""
        return self.metadata_url + CONTAINER_PATH

    def metadata_environ(self) -> dict[str, str]:
        """Return the environment variables that point an AWS SDK at the instance metadata."""
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata_url, "AWS_EC2_METADATA_DISABLED": "false"}

    def container_environ(self) -> dict[str, str]:
        """Return the environment variables that point an AWS SDK at the container credentials."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.container_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.container_token,
        }

    def count(self, route: str | None = None) -> int:
        """Return how many requests came, for one route or in all."""
        return sum(route in (None, exchange.route) for exchange in self.exchanges)

    def script(self, route: str, *faults: Fault) -> None:
        """Let the next requests to ``route`` meet these faults, one each, in order; then all is well again.

        Raises ``ValueError`` for a route that there is not.
        """
        if route not in self._scripts:
            raise ValueError(f"no route {route!r}; there is {', '.join(ROUTES)}")
        self._scripts[route].extend(faults)

    def restore(self) -> None:
        """Forget every fault that has not happened yet, ``Forever`` included."""
        for script in self._scripts.values():
            script.clear()

    @classmethod
    @contextmanager
    def in_thread(cls, **settings: Unpack[FakeSettings]) -> Iterator[Self]:
        """Serve from a thread of its own while the ``with`` lasts. Takes the settings that the class takes."""
        from anyio.from_thread import start_blocking_portal

        aws = cls(**settings)
        with start_blocking_portal("asyncio", name="FakeAWS") as portal, portal.wrap_async_context_manager(aws):
            yield aws

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
        route = route_of(asked.path)
        fault = self._next_fault(route)
        answer = self._answer(asked, route, fault)
        status = None if faults.is_silent(fault) else answer.status
        self.exchanges.append(Exchange(route, asked.method, asked.path, status, self.clock.time(), line.number))
        if self.latency:
            await line.pause(self.latency)
        return await faults.perform(fault, line, answer)

    def _answer(self, asked: Asked, route: str, fault: OneFault | None) -> Answer:
        if faults.needs_answer(fault):
            ended = fault.seconds if isinstance(fault, Expired) else None
            return faults.changed(fault, self.answer(asked, route, ended))
        return faults.instead(fault)

    def _next_fault(self, route: str) -> OneFault | None:
        script = self._scripts.get(route)
        if not script:
            return None
        if isinstance(first := script[0], Forever):
            return first.fault
        return script.popleft()  # type: ignore[return-value]  # not a Forever, as was just seen
