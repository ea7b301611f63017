"""Connections to services by name, which is resolved in a daemon thread.

The event loops of asyncio and uvloop resolve names in threads that a program joins when it ends. So one that is ended
while a name server does not respond, by Ctrl-C for example, would go on for as long as the resolver waits.
"""

from __future__ import annotations

import socket
from itertools import chain, zip_longest
from typing import Any

import anyio

from ..threads import run_in_thread

# Seconds until the next address is tried beside the first ones; RFC 8305 ("Happy Eyeballs") recommends 250 ms.
NEXT_ADDRESS_DELAY = 0.25
CLOSE_TIMEOUT = 2.0  # seconds for closing a socket, which is local work


def resolve_in_threads(library: Any, client: Any) -> None:
    """Let the connections of a client, or of a transport, of httpx or httpx2 get their addresses from daemon threads.

    Neither library has an option for it. Should one keep its parts elsewhere, it resolves names as it would otherwise.
    """
    transports = [client, getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()]
    for transport in transports:
        pool: Any = getattr(transport, "_pool", None)
        if hasattr(pool, "_network_backend"):
            pool._network_backend = ResolvingNetwork(pool._network_backend, library.ConnectError)


class ResolvingNetwork:
    """A network backend of httpcore that lets another one connect to addresses."""

    def __init__(self, network: Any, error_type: type[Exception]) -> None:
        self._network = network
        self._error_type = error_type

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    async def connect_tcp(self, host: str, port: int, **options: Any) -> Any:
        """Return a connection to the first address that accepts one."""
        addresses = [host] if _is_address(host) else await self._resolve(host, port)
        if len(addresses) == 1:
            return await self._network.connect_tcp(addresses[0], port, **options)
        return await _first_connection(self._network, addresses, port, options)

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, those of IPv4 and IPv6 in turns."""
        try:
            found = await run_in_thread(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
        except OSError as error:
            raise self._error_type(str(error)) from error
        families: dict[int, list[str]] = {}
        for family, _, _, _, address in found:
            families.setdefault(family, []).append(str(address[0]))
        in_turns = chain.from_iterable(zip_longest(*families.values()))
        return list(dict.fromkeys(address for address in in_turns if address is not None))


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):  # ValueError: a null character
            continue
        return True
    return False


async def _first_connection(network: Any, addresses: list[str], port: int, options: dict[str, Any]) -> Any:
    """Return the first connection. The next address is tried when an attempt has failed, or has not ended soon."""
    connections: list[Any] = []
    errors: list[Exception] = []

    async def attempt(address: str, ended: anyio.Event) -> None:
        try:
            connections.append(await network.connect_tcp(address, port, **options))
            tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - raised if no other attempt succeeds
            errors.append(error)
        ended.set()

    try:
        async with anyio.create_task_group() as tasks:
            for address in addresses:
                ended = anyio.Event()
                tasks.start_soon(attempt, address, ended)
                with anyio.move_on_after(NEXT_ADDRESS_DELAY):
                    await ended.wait()
        if not connections:
            raise errors[-1]
        return connections.pop(0)
    finally:
        errors.clear()  # their tracebacks refer to this frame
        with anyio.move_on_after(CLOSE_TIMEOUT, shield=bool(connections)):
            for connection in connections:  # connected in the same moment as another one, or as a cancellation
                await connection.aclose()
