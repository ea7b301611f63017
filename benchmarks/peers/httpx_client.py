"""The floor of a cold resolve with HTTP: the same exchanges as by hand, by one httpx client, which is new each time."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING

from . import Peer, not_installed, python_peer

if TYPE_CHECKING:
    from ssl import SSLContext

NO_HTTP = "nothing here goes over HTTP"

PEERS = tuple(
    Peer(
        name=f"one httpx client on {loop}",
        worker=python_peer(__name__, loop),
        packages=("httpx", "httpcore", "anyio"),
        missing=not_installed(loop, "httpx"),
        cannot=dict.fromkeys(("environment", "file 1", "file 100", "file 10,000", "process"), NO_HTTP),
        is_floor=True,
        plays=("cold",),
    )
    for loop in ("asyncio", "trio")
)


@cache
def _tls() -> SSLContext:
    """Return a context without certificates, made once: loading them for plain http would be an unfair floor."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    del loop  # it is the same on all
    import httpx

    from benchmarks import least

    async def ask() -> str:
        asked = least.exchanges(os.environ)
        assert asked is not None
        place, exchanges = asked
        async with httpx.AsyncClient(
            trust_env=False, verify=_tls(), base_url=httpx.URL(place).copy_with(path="/")
        ) as http:
            request = next(exchanges)
            while True:
                method, path, headers, body = request
                answer = await http.request(method, path, headers=headers, content=body)
                try:
                    request = exchanges.send(answer.raise_for_status().content)
                except StopIteration as end:
                    return str(end.value)

    return ask
