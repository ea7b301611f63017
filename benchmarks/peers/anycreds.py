"""anycreds, which all this is about: the default chain, which is cached."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

from . import Ahead, Peer, not_installed, python_peer

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
        # Of a life so short, between 7 and 8 s by the whole second in which it ends, a refresh is due after 50 to 55 %,
        # and callers wait for it after 75 %.
        ahead=Ahead(life=8.0, after=4.45),
    )
    for loop in ("asyncio", "trio")
)


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    del loop  # a provider is the same on all
    from anycreds import from_default_chain

    provider = from_default_chain()

    async def ask() -> str:
        return (await provider()).access_key_id

    return ask
