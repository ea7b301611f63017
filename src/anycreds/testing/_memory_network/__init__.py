"""``MemoryNetwork``: the library's real HTTP stack on a network in memory, for virtual time. No sockets, no threads."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from ..._system import http, threads
from ..._system.http import tls
from .._fake_aws import FakeAWS
from .._fake_aws.metadata import CONTAINER_PATH, Asked
from .connection import AT_CONNECT, MemoryConnection, Script, Step, checked, fail
from .fake_aws import answer_in_steps

# Where AWS SDKs look by default: EC2 metadata, ECS and EKS, each by IPv4 and, where there is such, by IPv6.
AWS_HOSTS = ("169.254.169.254", "fd00:ec2::254", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")

_NOBODY: Step = ("refuse",)


class MemoryNetwork:
    """A network in this process: while its ``with`` is open, no provider of this library reaches any other.

    The whole of httpx, httpcore and h11 runs on it; only sockets, names and TLS are left out, so that it goes together
    with virtual time (``virtual_backend``), where every wait ends at its exact second. Any address may be served, the
    real link-local ones of AWS too. An address that nobody serves refuses. ::

        with MemoryNetwork() as network:
            network.serve(FakeAWS(clock=VirtualClock()))
            network.script("169.254.169.254", 80, [("sleep", 0.9)], [("send", b"HTTP/1.1 200 OK..."), ("hang",)])

    Files are read without a thread meanwhile, since threads know nothing of virtual time. ``connections`` lists every
    connection and every attempt at one.
    """

    def __init__(self) -> None:
        self.connections: list[MemoryConnection] = []
        self._places: dict[tuple[str, int], _Place] = {}
        self._before: list[Any] = []
        self._threads: list[bool] = []
        self._httpcore: Any = None

    def serve(self, aws: FakeAWS, host: str | None = None, port: int = 80) -> None:
        """Let a fake answer at this address; by default at those where AWS SDKs look for EC2, ECS and EKS.

        The fake is not entered: it has no socket here. Its settings, counters, latency and faults are as always. Under
        virtual time give it a ``VirtualClock``.
        """
        for one in AWS_HOSTS if host is None else (host,):
            self._place(one, port).aws = aws

    def script(self, host: str, port: int, *scripts: Iterable[Step], forever: bool = False) -> None:
        """Let the next exchanges with this address go by these scripts, one each, in order.

        ``forever``: the last of them stands for all that come after. Else the fake that is served there answers again;
        without one, connections are closed. The steps of a script begin when the request has come, and are tuples:

        - ``("send", data)``: send these bytes; the client reads them as one piece
        - ``("sleep", seconds)``: wait
        - ``("drip", data, every, count)``: wait ``every`` seconds and send, ``count`` times (None: without end)
        - ``("hang",)``: never go on
        - ``("close",)``, ``("reset",)``: end the connection; without such a step it is kept for the next exchange

        Two stand alone, and happen to the next attempt to connect: ``("refuse",)`` and ``("ignore",)``, which leaves it
        without any answer. Raises ``ValueError`` for anything else.
        """
        place = self._place(host, port)
        place.scripts.extend(map(checked, scripts))
        place.is_forever = forever

    def metadata_environ(self) -> dict[str, str]:
        """Return the environment variables for the EC2 instance metadata of a fake at its usual address."""
        return {"AWS_EC2_METADATA_DISABLED": "false"}

    def container_environ(self, aws: FakeAWS) -> dict[str, str]:
        """Return the environment variables for the container credentials of a fake at their usual address."""
        return {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CONTAINER_PATH,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.container_token,
        }

    @property
    def open(self) -> int:
        """How many connections the client has made, or is making, and has not closed."""
        return sum(connection.closed_at is None for connection in self.connections)

    @property
    def bytes_read(self) -> int:
        """How many bytes the client has taken, over all connections."""
        return sum(connection.bytes_read for connection in self.connections)

    def transport(self) -> Any:
        """Return an ``httpx.AsyncHTTPTransport`` on this network, for a client of the test's own."""
        return self._transport(http.preload())

    def __enter__(self) -> Self:
        http.preload()  # as a thread would do it, but before time is virtual
        self._before.append(http.make_transport)
        http.make_transport = self._transport
        self._threads.append(threads.enabled)
        threads.enabled = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        http.make_transport = self._before.pop()
        threads.enabled = self._threads.pop()

    def _transport(self, httpx: Any) -> Any:
        import httpcore

        transport = httpx.AsyncHTTPTransport(verify=tls.untrusting(), trust_env=False)
        # httpx takes no network backend. The limits are its own.
        backend: Any = self
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls.untrusting(),
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=backend,
        )
        self._httpcore = httpcore
        return transport

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: object = None,
    ) -> MemoryConnection:
        """Connect. This makes the network what httpcore calls a network backend."""
        place = self._places.get((host, port))
        number = len(self.connections) + 1

        def answer(asked: Asked) -> Script:
            assert place is not None  # what nobody serves was not accepted
            return place.answer(asked, number)

        connection = MemoryConnection(number, host, port, self._httpcore, answer)
        self.connections.append(connection)
        step = _NOBODY if place is None else place.at_connect()
        try:
            with anyio.move_on_after(float("inf") if timeout is None else timeout):
                await anyio.lowlevel.checkpoint()
                if step == ("ignore",):
                    await anyio.sleep_forever()
                if step == ("refuse",):
                    fail(self._httpcore.ConnectError, errno.ECONNREFUSED)
                connection.was_accepted = True
                return connection
            raise self._httpcore.ConnectTimeout
        finally:
            if not connection.was_accepted:
                await connection.aclose()

    def _place(self, host: str, port: int) -> _Place:
        return self._places.setdefault((host, port), _Place())


class _Place:
    """What is served at one address."""

    def __init__(self) -> None:
        self.scripts: deque[Script] = deque()
        self.is_forever = False
        self.aws: FakeAWS | None = None

    def at_connect(self) -> Step | None:
        """Return what happens to an attempt to connect; None: it is accepted."""
        if self.scripts and self.scripts[0] and self.scripts[0][0][0] in AT_CONNECT:
            return self._next()[0]
        if self.aws is not None:
            self.aws.connections += 1
        return None

    def answer(self, asked: Asked, connection: int) -> Script:
        """Return what is done for one request."""
        if self.scripts:
            return self._next()
        if self.aws is not None:
            return answer_in_steps(self.aws, asked, connection)
        return [("close",)]

    def _next(self) -> Script:
        if self.is_forever and len(self.scripts) == 1:
            return self.scripts[0]
        return self.scripts.popleft()
