"""HTTP through httpx: no redirects, no decoding, nothing read beyond a limit, and no raise for what comes.

Clients live as long as one attempt, so nothing is bound to an event loop or left open. Only this file imports httpx;
its successor is one import away.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ..._core.http import Request, Response, Transport, TransportFailure
from ..pausing import AttemptTime, busyness
from . import clients, tls
from .clients import Client
from .exchange import ask

_httpx: Any = None

# What makes transports in the place of sockets: ``anycreds.testing.MemoryNetwork`` puts it here, and nobody else. Not a
# context variable: a refresh that was begun elsewhere must not reach the real network from within a test.
make_transport: Callable[[Any], Any] | None = None

_CLOSING = 2.0  # seconds for closing a socket, which is local work

# Loading the HTTP library counts against the time of an exchange, so that a program off EC2 waits no longer; but so
# much of it is left for the network, lest a slow disk or processor makes a service look unreachable.
NETWORK_SHARE = 0.75
LOADING = 30.0  # seconds: a hundred times what it takes, and half of what a flight has

# The name that means this machine, and where it is; asked in this order and never looked up.
LOCALHOST = ("127.0.0.1", "::1")


async def load() -> Any:
    """Return httpx, ready to be used.

    Importing it, and what it imports at its first client (trio too, if that is installed), takes 100 ms and more: in a
    thread, so that the event loop runs on.
    """
    global _httpx  # noqa: PLW0603
    if _httpx is None:
        _httpx = await run_sync(_import, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    return _httpx


def preload() -> Any:
    """Do what ``load`` does, but at once and in this thread: threads do not mix with virtual time."""
    global _httpx  # noqa: PLW0603
    if _httpx is None:
        _httpx = _import()
    return _httpx


def _import() -> Any:
    import httpx
    import idna  # noqa: F401 - httpx does this when it meets the first host

    httpx.AsyncHTTPTransport(verify=tls.untrusting(), trust_env=False)
    for backend in ("httpcore._backends.auto", "httpcore._backends.anyio"):
        __import__(backend)
    return httpx


class HttpClients:
    """The clients of one attempt: one connection per host, however many exchanges."""

    __slots__ = ("_clients", "_time")

    def __init__(self, time: AttemptTime) -> None:
        self._time = time
        self._clients: list[tuple[str | Transport, Client]] = []  # not a dict: a program's factory may have no hash

    async def close(self) -> None:
        """Close every connection, whatever becomes of the others."""
        made, self._clients = self._clients, []
        for _, client in made:
            with suppress(Exception), anyio.move_on_after(_CLOSING):
                await client.made.aclose()

    async def send(self, request: Request) -> Response | TransportFailure:
        """Make one exchange, or say why it brought nothing.

        Raises ``InvalidConfigurationError`` or ``RetrievalError`` if there is no client for it.
        """
        begun = anyio.current_time()
        client = self._find(_key(request)) or await self._loaded(request)
        if client is None:
            return TransportFailure("timeout", f"the HTTP library was not loaded within {LOADING:g} s")
        clients.refuse_closed(client)
        spent = anyio.current_time() - begun  # the first time only
        busy = await busyness()
        self._time.give(busy)
        with anyio.move_on_after(max(request.timeout - spent, request.timeout * NETWORK_SHARE) + busy):
            first, *others = LOCALHOST if _is_localhost(request) else (request.url.host,)
            answer = await ask(client, request, first)
            for host in others:
                if isinstance(answer, TransportFailure) and answer.kind == "unreachable":
                    answer = await ask(client, request, host)
            return answer
        return TransportFailure("timeout", f"no answer within {round(request.timeout, 3):g} s")

    async def _loaded(self, request: Request) -> Client | None:
        """Load what is needed, and return a client; None: that took too long. Only a part of this time counts."""
        if _httpx is not None and _needs_no_tls(request):
            return self._open(_httpx, request, tls.untrusting())
        with self._time.paused(request.timeout * (1 - NETWORK_SHARE)), anyio.move_on_after(LOADING):
            httpx = await load()
            return self._open(httpx, request, await _context(httpx, request))
        return None

    def _open(self, httpx: Any, request: Request, context: Any) -> Client:
        key = _key(request)
        if (client := self._find(key)) is None:  # else another exchange has made it meanwhile
            client = _made(httpx, request, context)
            self._clients.append((key, client))
        return client

    def _find(self, key: str | Transport) -> Client | None:
        return next((client for known, client in self._clients if known == key), None)


def _needs_no_tls(request: Request) -> bool:
    return make_transport is not None or (request.direct and request.url.scheme == "http")


async def _context(httpx: Any, request: Request) -> Any:
    if _needs_no_tls(request):
        return tls.untrusting()
    if not request.direct and request.transport != Transport():
        return request.transport.ssl_context  # a factory's client has its own
    return await tls.trusting(httpx)


def _made(httpx: Any, request: Request, context: Any) -> Client:
    if not request.direct and request.transport.client_factory is not None:
        return clients.from_factory(httpx, request.transport.client_factory)
    if make_transport is not None:
        network = make_transport(httpx)
        return Client(httpx, network if request.direct else httpx.AsyncClient(transport=network, timeout=None))
    return clients.direct(httpx, context) if request.direct else clients.behind_proxies(httpx, context)


def _key(request: Request) -> str | Transport:
    """Return what requests have in common that share a client."""
    return request.url.scheme if request.direct else request.transport


def _is_localhost(request: Request) -> bool:
    return request.url.scheme == "http" and request.url.host == "localhost"
