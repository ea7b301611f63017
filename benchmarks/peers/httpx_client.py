"""The baseline of a cold call with HTTP: the minimal exchanges, with a new httpx client for each call."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING

from . import Peer, not_installed, python_peer

if TYPE_CHECKING:
    from ssl import SSLContext

NO_HTTP = "this source does not use HTTP"

PEERS = tuple(
    Peer(
        name=f"one httpx client on {loop}",
        worker=python_peer(__name__, loop),
        packages=("httpx", "httpcore", "anyio"),
        missing=not_installed(loop, "httpx"),
        cannot=dict.fromkeys(("environment", "file 1", "file 100", "file 10,000", "process"), NO_HTTP),
        is_baseline=True,
        benchmarks=("cold",),
    )
    for loop in ("asyncio", "trio")
)


@cache
def _tls() -> SSLContext:
    """Return a context without certificates, created once: plain http does not need them."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the function that gets credentials."""
    del loop  # the code is the same on all event loops
    import httpx

    from benchmarks import minimal_exchanges

    async def get_key() -> str:
        exchange = minimal_exchanges.exchanges(os.environ)
        assert exchange is not None
        endpoint, exchanges = exchange
        async with httpx.AsyncClient(
            trust_env=False, verify=_tls(), base_url=httpx.URL(endpoint).copy_with(path="/")
        ) as http:
            request = next(exchanges)
            while True:
                method, path, headers, body = request
                response = await http.request(method, path, headers=headers, content=body)
                try:
                    request = exchanges.send(response.raise_for_status().content)
                except StopIteration as end:
                    return str(end.value)

    return get_key
