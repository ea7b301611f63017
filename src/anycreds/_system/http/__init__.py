"""HTTP through httpx: no redirects, no decoding, nothing read beyond a limit, and failures as values.

Clients live as long as one attempt, so none is bound to an event loop or left open. Only this package imports httpx,
and it is itself imported in a thread (see ``preload``): with what the first request needs, that takes 100 ms and more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import httpcore._backends.anyio
import httpcore._backends.auto  # noqa: F401 - httpx imports both for its first request
import httpx  # noqa: F401
import idna  # noqa: F401 - httpx imports it for its first host

from ..._core.http import Request, Response, TransportFailure
from . import tls
from .clients import Client, check_open, open_client
from .exchange import CLOSE_TIMEOUT, exchange

# Set by `anycreds.testing.MemoryNetwork`, it replaces the network for every attempt of this process, whatever its
# runtime. Not a context variable: a refresh may have started in another context, and must not reach the real network.
make_transport: Callable[[Any], Any] | None = None

# Loading the HTTP library counts against the time of the first exchange, so that programs outside EC2 do not wait
# longer for its metadata service; but this much is left for the network, in case the disk or the processor is slow.
MIN_NETWORK_FRACTION = 0.75

# The addresses of `localhost`, in the order of trying. The name is never resolved: it must not lead to another machine.
_LOCALHOST = ("127.0.0.1", "::1")


class HttpClients:
    """The clients of one attempt: one connection per host for all its exchanges.

    ``loading_time`` is the seconds that importing this package took for this attempt.
    """

    __slots__ = ("_clients", "_loading_time", "_make_transport")

    def __init__(self, loading_time: float = 0.0) -> None:
        self._make_transport = make_transport
        self._loading_time = loading_time
        self._clients: list[tuple[tuple[Any, ...], Client]] = []  # not a dict: a user's factory may not be hashable

    async def close(self) -> None:
        """Close every client, even if closing another one fails."""
        opened, self._clients = self._clients, []
        for _, client in opened:
            with suppress(Exception), anyio.move_on_after(CLOSE_TIMEOUT):
                await client.made.aclose()

    async def send(self, request: Request) -> Response | TransportFailure:
        """Make one exchange. Only an unusable factory of the user, proxy or CA bundle raises an error."""
        started = anyio.current_time() - self._loading_time
        self._loading_time = 0.0
        client = self._client(request, await self._tls_context(request))
        check_open(client)
        loading = anyio.current_time() - started
        with anyio.move_on_after(max(request.timeout - loading, request.timeout * MIN_NETWORK_FRACTION)):
            return await _exchange(client, request)
        return TransportFailure("timeout", f"no response within {round(request.timeout, 3):g} s")

    def _client(self, request: Request, context: Any) -> Client:
        """Return the client that requests like this one share, opened if necessary."""
        key = (request.url.scheme, request.transport.ca_bundle) if request.direct else request.transport
        for known, client in self._clients:
            if known == key:
                return client
        client = open_client(request, context, self._make_transport)
        self._clients.append((key, client))
        return client

    async def _tls_context(self, request: Request) -> Any:
        if self._make_transport is not None or (request.direct and request.url.scheme == "http"):
            return tls.unverified_context()  # for plain http only
        client_factory, context, ca_bundle = request.transport
        if not request.direct and (client_factory is not None or context is not None):
            return context  # the client of a user's factory has its own
        return await tls.verified_context(ca_bundle)


async def _exchange(client: Client, request: Request) -> Response | TransportFailure:
    if request.url.scheme != "http" or request.url.host != "localhost":
        return await exchange(client, request, request.url.host)
    result = await exchange(client, request, _LOCALHOST[0])
    if isinstance(result, TransportFailure) and result.kind == "unreachable":
        result = await exchange(client, request, _LOCALHOST[1])
    return result
