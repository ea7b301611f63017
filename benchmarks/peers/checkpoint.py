"""The baseline of an await that yields to the event loop: one checkpoint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"checkpoint on {loop}",
        worker=python_peer(__name__, loop),
        packages=(),
        missing=not_installed(loop),
        is_baseline=True,
        benchmarks=("hits",),
    )
    for loop in ("asyncio", "trio")
)


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Return a function with one checkpoint."""
    if loop == "trio":
        from trio.lowlevel import checkpoint

        async def on_trio() -> str:
            await checkpoint()
            return "AKIDEXAMPLE"

        return on_trio
    from asyncio import sleep

    async def on_asyncio() -> str:
        await sleep(0)
        return "AKIDEXAMPLE"

    return on_asyncio
