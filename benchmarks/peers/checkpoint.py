"""The floor of an await that really waits: a checkpoint of the event loop's own, by which a task lets others run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"checkpoint on {loop}",
        worker=python_peer(__name__, loop),
        packages=(),
        missing=not_installed(loop),
        is_floor=True,
        plays=("hits",),
    )
    for loop in ("asyncio", "trio")
)


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
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
