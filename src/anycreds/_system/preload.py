"""What waiting needs is loaded in a thread, so that the event loop runs on meanwhile.

anyio loads its parts when they are first used, the backend last: 20 to 40 ms in all, and single modules of them take
more than the loop may be held. Only programs that were not started by ``anyio.run`` pay this at all. The thread is a
bare one: anyio's own would need what is only being loaded.
"""

from __future__ import annotations

import _thread
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from importlib import import_module
from typing import Any

import anyio

from .event_loop import trio_or_none

# In this order, as the later ones build on what the earlier ones have loaded.
_PARTS = ("CancelScope", "Event", "create_memory_object_stream", "connect_tcp")

# What wakes those who wait for the thread of their run: ten thousand may come while it loads, and need no other.
_waiting: dict[Hashable, list[Callable[[], None]]] = {}


async def preload() -> None:
    """Load what anyio needs for waiting, unless it is there."""
    trio = trio_or_none()
    backend = "anyio._backends._asyncio" if trio is None else "anyio._backends._trio"
    if hasattr(sys.modules.get(backend), "backend_class"):  # its last line; another thread may be in the middle of it
        return
    await (_on_asyncio(backend) if trio is None else _on_trio(trio, backend))
    anyio.current_time()


async def _on_asyncio(backend: str) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake() -> None:
        if not done.done():  # else it was cancelled
            done.set_result(None)

    _wait_for(backend, loop, wake, loop.call_soon_threadsafe)
    await done


async def _on_trio(trio: Any, backend: str) -> None:
    token, done = trio.lowlevel.current_trio_token(), trio.Event()
    _wait_for(backend, token, done.set, token.run_sync_soon)
    await done.wait()


def _wait_for(
    backend: str, run: Hashable, wake: Callable[[], None], soon: Callable[[Callable[[], None]], object]
) -> None:
    """Let this one be woken when all is loaded. The first of a run starts the thread that loads it."""
    if run in _waiting:
        _waiting[run].append(wake)
        return
    _waiting[run] = [wake]

    def wake_all() -> None:
        for one in _waiting.pop(run, ()):
            one()

    def work() -> None:
        _load(backend)
        try:
            soon(wake_all)
        except RuntimeError:  # the run is over: nobody waits any more
            _waiting.pop(run, None)

    try:
        _thread.start_new_thread(work, ())  # a ``Thread`` would be waited for until it runs, which keeps the loop
    except RuntimeError:  # the system starts no more threads: to hold the loop is better than to fail
        _load(backend)
        wake_all()


def _load(backend: str) -> None:
    with suppress(Exception):  # whoever needs it will meet the error
        for part in _PARTS:
            getattr(anyio, part)
        import_module("anyio.to_thread")
        import_module(backend)
