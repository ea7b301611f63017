"""``MemoryNetwork``: the library's real HTTP stack over connections in memory, for tests under virtual time."""

from __future__ import annotations

import errno
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import anyio
import anyio.lowlevel

from ..._system import http, threads
from .._fake_aws import FakeAWS
from .._fake_aws.messages import FakeRequest
from .._fake_aws.metadata import CONTAINER_PATH
from .._fake_aws.steps import CONNECT_STEPS, Script, Step, check_script
from .connection import MemoryConnection, PlainConnection, SocketErrors, raise_os_error

# The default addresses of EC2 metadata, ECS and EKS, over IPv4 and, except for ECS, over IPv6.
_ECS_HOST = "169.254.170.2"
_METADATA_HOSTS = ("169.254.169.254", "fd00:ec2::254", _ECS_HOST, "169.254.170.23", "fd00:ec2::23")


class MemoryNetwork:
    """A network in memory. Within ``with``, this library's providers can reach no other network.

    h11 and httpx (or httpx2) run as usual; only sockets, name resolution and TLS are missing. So the network works with
    virtual time (``virtual_backend``). Any address can be served, also the link-local ones of AWS. An address that is
    not served refuses connections. Files are read without threads within ``with``.

    Attributes:
        connections: All connections and attempts to connect, each a ``MemoryConnection``.

    Example::

        with MemoryNetwork() as network:
            network.serve(FakeAWS(clock=VirtualClock()))
            network.script("169.254.169.254", 80, [("sleep", 0.9)], [("send", b"HTTP/1.1 200 OK..."), ("hang",)])
    """

    def __init__(self) -> None:
        self.connections: list[MemoryConnection] = []
        self._servers: dict[tuple[str, int], _MemoryServer] = {}
        self._replaced: list[tuple[http.Network | None, bool]] = []
        self._sockets = _Sockets(self)

    def serve(self, aws: FakeAWS, host: str | None = None, port: int = 80) -> None:
        """Serve a fake at an address.

        Args:
            aws: The fake, which must not be entered. Under virtual time, give it a ``VirtualClock``.
            host: The host; default: all hosts at which AWS SDKs expect EC2, ECS and EKS.
            port: The port.
        """
        for name in _METADATA_HOSTS if host is None else (host,):
            self._server(name, port).aws = aws

    def script(self, host: str, port: int, *scripts: Iterable[Step], forever: bool = False) -> None:
        """Script the next requests to an address.

        A script is a list of steps, which begin when the request is complete:

        - ``("send", data)``: send bytes, which the client reads as one piece
        - ``("sleep", seconds)``: wait; ``("hang",)``: wait forever
        - ``("drip", data, every, count)``: wait ``every`` seconds and send, ``count`` times (None: forever)
        - ``("close",)``, ``("reset",)``: end the connection; without such a step it stays open for the next request
        - ``("refuse",)``, ``("ignore",)``: reject or ignore the next attempt to connect, as the only step

        Args:
            host: The host.
            port: The port.
            scripts: One for each request. Afterwards the fake at the address responds, or connections are closed.
            forever: Repeat the last script.

        Raises:
            ValueError: A step is invalid.
        """
        server = self._server(host, port)
        server.scripts.extend(map(check_script, scripts))
        server.repeats_last = forever

    def metadata_environ(self) -> dict[str, str]:
        """Return the environment variables for the EC2 instance metadata at their default address."""
        return {"AWS_EC2_METADATA_DISABLED": "false"}

    def container_environ(self) -> dict[str, str]:
        """Return the variables for the container credentials. Raises ``RuntimeError`` if no fake is served there."""
        aws = self._server(_ECS_HOST, 80).aws
        if aws is None:
            raise RuntimeError(f"no FakeAWS is served at {_ECS_HOST}; call serve() first")
        return {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CONTAINER_PATH,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": aws.container_token,
        }

    @property
    def open(self) -> int:
        """The number of connections and attempts to connect that the client has not closed."""
        return sum(connection.closed_at is None for connection in self.connections)

    @property
    def bytes_read(self) -> int:
        """The number of bytes that the client has read from all connections."""
        return sum(connection.bytes_read for connection in self.connections)

    def transport(self) -> Any:
        """Return an ``httpx.AsyncHTTPTransport`` on this network, for a test's own client."""
        import httpx  # it takes 100 ms and more, and most tests do not need it

        return self._sockets.make_transport(httpx)

    def __enter__(self) -> Self:
        self._replaced.append((http.network, threads.enabled))
        http.network, threads.enabled = self._sockets, False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        http.network, threads.enabled = self._replaced.pop()

    async def _connect(self, errors: Any, host: str, port: int, timeout: float) -> MemoryConnection:  # noqa: ASYNC109
        server = self._servers.get((host, port), _REFUSING)
        number = len(self.connections) + 1
        connection = MemoryConnection(number, host, port, errors, lambda request: server.steps_for(request, number))
        self.connections.append(connection)
        step = server.accept()
        try:
            with anyio.move_on_after(timeout):
                await anyio.lowlevel.checkpoint()
                if step == ("ignore",):
                    await anyio.sleep_forever()
                if step == ("refuse",):
                    raise_os_error(errors.ConnectError, errno.ECONNREFUSED)
                connection.was_accepted = True
                return connection
            raise errors.ConnectTimeout
        finally:
            if not connection.was_accepted:
                await connection.aclose()

    def _server(self, host: str, port: int) -> _MemoryServer:
        return self._servers.setdefault((host, port), _MemoryServer())


class _Sockets:
    """What takes the place of the sockets within ``with network``."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.network = network

    def make_transport(self, library: Any) -> Any:
        """Return a transport of httpx or httpx2 on the network."""
        from ..._system.http import tls

        context = tls.unverified_context()
        transport = library.AsyncHTTPTransport(verify=context, trust_env=False)
        httpcore = sys.modules[type(transport._pool).__module__.partition(".")[0]]  # or httpcore2
        # The libraries have no option for the network backend. The limits are their defaults.
        transport._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Backend(self.network, httpcore),
        )
        return transport

    async def connect(self, address: str, port: int, before_wait: Callable[[], None]) -> PlainConnection:
        """Connect for plain http."""
        before_wait()
        return PlainConnection(await self.network._connect(SocketErrors, address, port, float("inf")))


class _Backend:
    """The network as a backend of httpcore, or httpcore2, whose errors it raises."""

    def __init__(self, network: MemoryNetwork, httpcore: Any) -> None:
        self._network = network
        self._httpcore = httpcore

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: object = None,
    ) -> MemoryConnection:
        """Connect to ``host`` and ``port`` within ``timeout`` seconds.

        ``local_address`` and ``socket_options`` are not used.
        """
        seconds = float("inf") if timeout is None else timeout
        return await self._network._connect(self._httpcore, host, port, seconds)


class _MemoryServer:
    """The scripts and the fake at one address."""

    def __init__(self) -> None:
        self.scripts: deque[Script] = deque()
        self.repeats_last = False
        self.aws: FakeAWS | None = None

    def accept(self) -> Step | None:
        """Return the step for an attempt to connect; None to accept it."""
        if self.scripts and self.scripts[0] and self.scripts[0][0][0] in CONNECT_STEPS:
            return self._next()[0]
        if self.aws is not None:
            self.aws.connections += 1
        return None

    def steps_for(self, request: FakeRequest, connection: int) -> Script:
        """Return the steps that follow a request."""
        if self.scripts:
            return self._next()
        return [("close",)] if self.aws is None else self.aws._steps_for(request, connection)

    def _next(self) -> Script:
        if self.repeats_last and len(self.scripts) == 1:
            return self.scripts[0]
        return self.scripts.popleft()


_REFUSING = _MemoryServer()
_REFUSING.scripts.append([("refuse",)])
_REFUSING.repeats_last = True
