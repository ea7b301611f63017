"""What waiting needs is loaded in steps, with a turn of the event loop between two of them.

anyio loads its parts when they are first used, the backend last: 10 ms on the loop if it comes in one piece, which is
the most that this library may hold it. Only programs that were not started by ``anyio.run`` pay this at all.
"""

from __future__ import annotations

import sys
from typing import Any

import anyio

from .runs import trio_or_none

# In this order each step takes some milliseconds at most: the later ones build on what the earlier ones have loaded.
_STEPS = (
    lambda: __import__("ipaddress"),
    lambda: __import__("queue"),
    lambda: anyio.CancelScope,
    lambda: anyio.Event,
    lambda: __import__("anyio.streams.stapled"),
    lambda: anyio.create_memory_object_stream,
    lambda: anyio.connect_tcp,
)


# A timer of another task that is due ends in one turn of asyncio's loop, wakes its task in the next, which runs in the
# third; with fewer, the next step would come first.
_TURNS = 3


async def prepare() -> None:
    """Load what anyio needs for waiting, unless it is there."""
    trio = trio_or_none()
    backend = "anyio._backends._asyncio" if trio is None else "anyio._backends._trio"
    if backend in sys.modules:
        return
    await _turn(trio)  # making the provider has loaded something, too
    for load in _STEPS:
        load()
        await _turn(trio)
    anyio.current_time()


async def _turn(trio: Any) -> None:
    if trio is not None:
        await trio.lowlevel.checkpoint()
        return
    import asyncio

    for _ in range(_TURNS):
        await asyncio.sleep(0)
