"""Which event loop run this is, and tasks that belong to it instead of to one of its tasks.

anyio has no word for either. On trio such a task is a system task, on asyncio a task that is held here, since the loop
itself keeps only weak references.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Body = Callable[[], Awaitable[BaseException | None]]

_tasks: set[asyncio.Task[None]] = set()


def current_loop() -> Hashable:
    """Return the identity of the run that this code is in: trio's token, or asyncio's loop.

    Raises ``RuntimeError`` outside of both.
    """
    trio = trio_or_none()
    if trio is not None:
        token: Hashable = trio.lowlevel.current_trio_token()
        return token
    import asyncio

    return asyncio.get_running_loop()


def is_loop_closed(run: Hashable) -> bool:
    """Tell whether a run is known to be over. trio ends all its tasks first, so only asyncio leaves any behind."""
    is_closed = getattr(run, "is_closed", None)
    return bool(is_closed is not None and is_closed())


def spawn_system_task(body: Body, ended: Callable[[], None], name: str, context: Context) -> None:
    """Start a task of the current run. ``ended`` is called when it is over, even if it never had its first step."""
    trio = trio_or_none()
    if trio is not None:
        trio.lowlevel.spawn_system_task(_on_trio, body, ended, name, name=name, context=context)
        return
    import asyncio

    task = asyncio.get_running_loop().create_task(_on_asyncio(body), name=name, context=context)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    # asyncio ends a task that is cancelled before its first step without running a line of it.
    task.add_done_callback(lambda _: ended())


async def _on_trio(body: Body, ended: Callable[[], None], name: str) -> None:
    import trio

    cancelled = None
    try:
        leave = await body()
    except trio.Cancelled:
        raise
    except BaseExceptionGroup as group:  # a source that failed while the end of the run cancelled it
        cancelled, leave = group.split(trio.Cancelled)
    except BaseException as error:  # noqa: BLE001 - a system task that raises would end the run with an "internal error"
        leave = error
    finally:
        ended()
    if leave is not None:
        from .._core.logs import log

        log("cache", "error", "%s: %s had nobody to go to", name, type(leave).__name__)
    if cancelled is not None:
        raise cancelled


async def _on_asyncio(body: Body) -> None:
    leave = await body()
    if leave is not None:
        raise leave  # as asyncio has it: this ends the run


def trio_or_none() -> Any:
    """Return trio if this is a trio task. It is asked first: as a guest it runs inside another loop."""
    trio = sys.modules.get("trio")
    # Without ``lowlevel`` it is just being imported, by another thread (ours that loads httpx, say): no run is on it.
    lowlevel = getattr(trio, "lowlevel", None)
    return trio if lowlevel is not None and lowlevel.in_trio_task() else None
