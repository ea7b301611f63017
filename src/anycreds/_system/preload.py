"""Imports modules in a thread, so that the event loop runs on meanwhile.

anyio loads its parts when they are first used, the backend last: 20 to 40 ms in all, and some of these modules take
longer than the event loop may be blocked. ``anyio.run`` has loaded most of them already.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from contextlib import suppress
from importlib import import_module

from . import threads
from .event_loop import anyio_backend, current_loop, is_imported
from .threads import ThreadEvent

# In this order, as the later ones build on what the earlier ones have loaded.
_ANYIO_PARTS = ("CancelScope", "Event", "create_memory_object_stream", "connect_tcp")

# The end of the thread that imports for each event loop right now: thousands of callers may wait for one thread.
_loading: dict[Hashable, ThreadEvent] = {}


async def preload(modules: tuple[str, ...] = (), *, for_waiting: bool = True) -> None:
    """Import what anyio needs for waiting on this event loop, and these modules, unless they are loaded.

    Without ``for_waiting``, import the modules only. An import that fails is not reported here: the code that needs the
    module raises the error.
    """
    if not threads.enabled:
        for name in modules:
            import_module(name)
        return None
    if for_waiting:
        modules = (anyio_backend(), *modules)
    while not all(map(is_imported, modules)):
        loop = current_loop()
        if (event := _loading.get(loop)) is None:
            return await _start(loop, modules, for_waiting=for_waiting).wait()
        await event.wait()
    return None


def _start(loop: Hashable, modules: tuple[str, ...], *, for_waiting: bool) -> ThreadEvent:
    event = _loading[loop] = ThreadEvent()

    def load() -> None:
        if for_waiting:
            import anyio

            for part in _ANYIO_PARTS:
                with suppress(Exception):
                    getattr(anyio, part)
        for name in ("anyio.lowlevel", *modules) if for_waiting else modules:
            with suppress(Exception):
                import_module(name)
        del _loading[loop]
        event.set()

    if not threads.start_thread(load):
        load()  # blocking the event loop is better than failing
    return event


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loading.clear)  # a child process has none of the threads
