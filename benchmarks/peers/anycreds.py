"""anycreds: the cached default chain."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from . import AdvisoryWindow, Peer, not_installed, python_peer

FIRST = """
import anycreds, {loop}
async def main():
    await anycreds.from_default_chain()()
{loop}.run({argument})
"""

PEERS = tuple(
    Peer(
        name=f"anycreds on {loop}",
        worker=python_peer(__name__, loop),
        first=(sys.executable, "-c", FIRST.format(loop=loop, argument="main" if loop == "trio" else "main()")),
        packages=("anycreds", "anyio", "httpx"),
        missing=not_installed(loop),
        # The lifetime is 7 to 8 s, since expirations have whole seconds. The refresh is due after 50 to 55 % of it, and
        # callers wait for it after 75 %.
        advisory_window=AdvisoryWindow(lifetime=8.0, after=4.45),
    )
    for loop in ("asyncio", "trio")
)


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Create the provider, and return the function that gets credentials."""
    del loop  # a provider is the same on all
    from anycreds import from_default_chain

    provider = from_default_chain()

    async def get_key() -> str:
        return (await provider()).access_key_id

    return get_key
