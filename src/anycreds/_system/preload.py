"""Imports modules in a thread, so that the event loop runs on meanwhile.

anyio loads its parts when they are first used, the backend last: 20 to 40 ms in all, and some of these modules take
longer than the event loop may be blocked. ``anyio.run`` has loaded most of them already.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from contextlib import suppress
from importlib import import_module

import anyio

from . import threads
from .event_loop import current_loop, trio_or_none
from .threads import ThreadEvent

# In this order, as the later ones build on what the earlier ones have loaded.
_ANYIO_PARTS = ("CancelScope", "Event", "create_memory_object_stream", "connect_tcp")

# The thread of each event loop that imports right now, and its modules: thousands of callers may wait for one thread.
_loading: dict[Hashable, tuple[frozenset[str], ThreadEvent]] = {}


async def preload(modules: tuple[str, ...] = ()) -> None:
    """Import what anyio needs for waiting on this event loop, and these modules, unless they are loaded.

    An import that fails is not reported here: the code that needs the module raises the error.
    """
    if not threads.enabled:
        for name in modules:
            import_module(name)
        return
    backend = "anyio._backends._asyncio" if trio_or_none() is None else "anyio._backends._trio"
    missing = frozenset(name for name in (backend, *modules) if not _is_loaded(name))
    while missing:
        loop = current_loop()
        names, event = _loading.get(loop) or _start(loop, missing, (backend, *modules))
        await event.wait()
        if missing <= names:
            break
        missing = frozenset(name for name in missing if not _is_loaded(name))


def _is_loaded(name: str) -> bool:
    """Return whether a module is imported completely; another thread may be in the middle of it."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def _start(loop: Hashable, missing: frozenset[str], modules: tuple[str, ...]) -> tuple[frozenset[str], ThreadEvent]:
    event = ThreadEvent()
    _loading[loop] = missing, event

    def load() -> None:
        _import(modules)
        del _loading[loop]
        event.set()

    if not threads.start_thread(load):
        load()  # blocking the event loop is better than failing
    return missing, event


def _import(modules: tuple[str, ...]) -> None:
    for part in _ANYIO_PARTS:
        with suppress(Exception):
            getattr(anyio, part)
    for name in ("anyio.lowlevel", *modules):
        with suppress(Exception):
            import_module(name)
