"""HTTP exchanges of one attempt: no redirects, no decoding, nothing read beyond a limit, and failures as values.

``plain`` makes those over plain http that stay on this machine or its link, and ``services`` all others, through httpx.
Both are imported in a thread (see ``preload``) when they are first needed: httpx takes 100 ms and more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ..._core.http import Request, Response, TransportFailure
from ..deadlines import LateTimeLimit

if TYPE_CHECKING:
    from .plain import PlainHttp
    from .services import ServiceClients
    from .sockets import Stream


class Network(Protocol):
    """What replaces the sockets of this process."""

    def make_transport(self, httpx: Any) -> Any:
        """Return a transport of httpx on this network."""

    async def connect(self, address: str, port: int, before_wait: Callable[[], None]) -> Stream:
        """Return a connection for plain http. Raise ``OSError`` if there is none. See ``Connect`` for the arguments."""


# Set by `anycreds.testing.MemoryNetwork`, it replaces the network for every attempt of this process, whatever its
# runtime. Not a context variable: a refresh may have started in another context, and must not reach the real network.
network: Network | None = None

# Loading an HTTP library counts against the time of the first exchange, so that programs outside EC2 do not wait
# longer for its metadata service; but this much is left for the network, in case the disk or the processor is slow.
MIN_NETWORK_FRACTION = 0.75


class HttpClients:
    """The connections of one attempt: one per host for all its exchanges.

    Attributes:
        loading_time: The seconds that importing a module took, which count against the next exchange.

    """

    __slots__ = ("_network", "_plain", "_services", "loading_time")

    def __init__(self) -> None:
        self.loading_time = 0.0
        self._network = network
        self._plain: PlainHttp | None = None
        self._services: ServiceClients | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._plain is not None:
            self._plain.close()
        if self._services is not None:
            await self._services.close()

    async def send(self, request: Request) -> Response | TransportFailure:
        """Make one exchange. Only an unusable factory of the user, proxy or CA bundle raises an error."""
        loading, self.loading_time = self.loading_time, 0.0
        exchange = None
        if not request.is_plain:
            started = anyio.current_time()
            exchange = await self._service_exchange(request)
            loading += anyio.current_time() - started
        with LateTimeLimit(max(request.timeout - loading, request.timeout * MIN_NETWORK_FRACTION)) as timeout:
            if exchange is None:
                return await self._plain_http().exchange(request, timeout.begin)
            timeout.begin()
            return await exchange(request)
        return TransportFailure("timeout", f"no response within {round(request.timeout, 3):g} s")

    def _plain_http(self) -> PlainHttp:
        if self._plain is None:
            from .plain import PlainHttp

            self._plain = PlainHttp(None if self._network is None else self._network.connect)
        return self._plain

    async def _service_exchange(self, request: Request) -> Callable[[Request], Awaitable[Response | TransportFailure]]:
        from .services import ServiceClients, send_to_service

        if self._services is None:
            self._services = ServiceClients(None if self._network is None else self._network.make_transport)
        return partial(send_to_service, await self._services.client_for(request))
