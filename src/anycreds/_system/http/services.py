"""The clients of one attempt for services, through httpx or httpx2: one for all requests with the same transport.

Clients live as long as one attempt, so none is bound to an event loop or left open.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio

from ..._core.http import Request, Response, Transport, TransportFailure
from . import tls
from .clients import Client, MakeTransport, check_open, open_client
from .exchange import exchange
from .plain import LOCALHOST
from .resolving import CLOSE_TIMEOUT


class ServiceClients:
    """The clients of one attempt. ``make_transport`` replaces the network."""

    __slots__ = ("_clients", "_make_transport")

    def __init__(self, make_transport: MakeTransport | None) -> None:
        self._make_transport = make_transport
        self._clients: list[tuple[tuple[Any, ...], Client]] = []  # not a dict: a user's factory may not be hashable

    async def close(self) -> None:
        """Close every client, even if closing another one fails."""
        opened, self._clients = self._clients, []
        for _, client in opened:
            with suppress(Exception), anyio.move_on_after(CLOSE_TIMEOUT):
                await client.made.aclose()

    async def client_for(self, request: Request) -> Client:
        """Return the client that requests like this one share. Raise an error if it cannot be used."""
        transport = request.transport or Transport()
        context = await self._tls_context(request, transport)
        key = (request.url.scheme, transport.ca_bundle) if request.direct else transport
        client = next((client for known, client in self._clients if known == key), None)
        if client is None:
            client = open_client(request.direct, transport.client_factory, context, self._make_transport)
            self._clients.append((key, client))
        check_open(client)
        return client

    async def _tls_context(self, request: Request, transport: Transport) -> Any:
        if self._make_transport is not None or (request.direct and request.url.scheme == "http"):
            return tls.unverified_context()
        client_factory, context, ca_bundle = transport
        if not request.direct and (client_factory is not None or context is not None):
            return context  # the client of a user's factory has its own
        return await tls.verified_context(ca_bundle)


async def send_to_service(client: Client, request: Request) -> Response | TransportFailure:
    """Make one exchange."""
    if request.url.scheme != "http" or request.url.host != "localhost":
        return await exchange(client, request, request.url.host)
    result = await exchange(client, request, LOCALHOST[0])
    if isinstance(result, TransportFailure) and result.kind == "unreachable":
        result = await exchange(client, request, LOCALHOST[1])
    return result
