"""What waiting needs is loaded in a thread, so that the event loop runs on meanwhile.

anyio loads its parts when they are first used, the backend last: 20 to 40 ms in all, and single modules of them take
more than the loop may be held. Only programs that were not started by ``anyio.run`` pay this at all. The thread is one
of the event loop's library itself, or a bare one: anyio's own would need what is only being loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import anyio

from .runs import trio_or_none

# In this order, as the later ones build on what the earlier ones have loaded.
_PARTS = ("CancelScope", "Event", "create_memory_object_stream", "connect_tcp")


async def prepare() -> None:
    """Load what anyio needs for waiting, unless it is there."""
    trio = trio_or_none()
    backend = "anyio._backends._asyncio" if trio is None else "anyio._backends._trio"
    if hasattr(sys.modules.get(backend), "backend_class"):  # its last line; another thread may be in the middle of it
        return

    def load() -> None:
        with suppress(Exception):  # whoever needs it will meet the error
            for part in _PARTS:
                getattr(anyio, part)
            import_module("anyio.to_thread")
            import_module(backend)

    try:
        await (_on_asyncio(load) if trio is None else _on_trio(trio, load))
    except RuntimeError:
        load()  # the system starts no more threads: to hold the loop is better than to fail
    anyio.current_time()


async def _on_trio(trio: Any, load: Callable[[], None]) -> None:
    await trio.to_thread.run_sync(load, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))


async def _on_asyncio(load: Callable[[], None]) -> None:
    import _thread
    import asyncio

    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake() -> None:
        if not done.done():  # else it was cancelled
            done.set_result(None)

    def run() -> None:
        load()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(wake)

    _thread.start_new_thread(run, ())  # a ``Thread`` would be waited for until it runs, and keeps the loop from it
    await done
