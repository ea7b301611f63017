"""The identity of the current event loop run, and tasks that belong to the run instead of to one of its tasks.

anyio offers neither. On trio such a task is a system task; on asyncio it is a task that this module references, since
the loop itself keeps only weak references.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from .._core.logs import log

if TYPE_CHECKING:
    import asyncio

    from .._core.io import TaskBody

# The running tasks of each loop of asyncio, and what to call when they are over.
_tasks: dict[asyncio.AbstractEventLoop, dict[asyncio.Task[None], Callable[[], None]]] = {}


class Timer(Protocol):
    """A call that will be made at some time."""

    def cancel(self) -> None:
        """Do not make it. Later calls do nothing."""


class Timers(Protocol):
    """The clock and the timers of an event loop run, under asyncio's names."""

    def time(self) -> float:
        """Return the time of the event loop, in seconds."""

    def call_at(self, when: float, callback: Callable[[], object], /) -> Timer:
        """Call a function at a time. Raise ``RuntimeError`` if the run has ended."""


def current_loop() -> Hashable:
    """Return trio's token or asyncio's loop; raise ``RuntimeError`` if no event loop is running."""
    trio = trio_or_none()
    if trio is not None:
        token: Hashable = trio.lowlevel.current_trio_token()
        return token
    return running_asyncio_loop()


def running_asyncio_loop() -> asyncio.AbstractEventLoop:
    """Return asyncio's running loop. A trio program never imports asyncio."""
    import asyncio

    return asyncio.get_running_loop()


def timers() -> Timers:
    """Return the timers of the current run. Raise ``RuntimeError`` if no event loop is running."""
    if trio_or_none() is None:
        return running_asyncio_loop()
    from .trio_timers import timers_of_run

    return timers_of_run()


def new_cancel_scope() -> Any:
    """Return a cancel scope without a deadline. On trio it is one of trio, which costs half of anyio's around it."""
    trio = trio_or_none()
    if trio is not None:
        return trio.CancelScope()
    import anyio

    return anyio.CancelScope()


def is_loop_closed(loop: Hashable) -> bool:
    """Return whether a run is known to be over. trio ends all its tasks first, so only asyncio leaves any behind."""
    return bool(getattr(loop, "is_closed", bool)())


def call_soon(loop: Any, function: Callable[[], object]) -> bool:
    """Call a function in the thread of a run, soon; see ``Runtime``."""
    on_asyncio = getattr(loop, "call_soon_threadsafe", None)
    try:
        (on_asyncio or loop.run_sync_soon)(function)
    except RuntimeError:  # it is closed, or trio has ended it
        return False
    return on_asyncio is None or bool(loop.is_running())


def call_later(seconds: float, function: Callable[[], object]) -> Callable[[], object]:
    """Call a function in the current run after some seconds; see ``Runtime``."""
    loop = timers()
    return loop.call_at(loop.time() + seconds, function).cancel


def spawn_system_task(body: TaskBody, on_end: Callable[[], None], name: str, context: Context) -> None:
    """Start a task of the current run. ``on_end`` is called when it is over, even if it never had its first step."""
    trio = trio_or_none()
    if trio is not None:
        trio.lowlevel.spawn_system_task(_on_trio, body, on_end, name, name=name, context=context)
        return
    loop = running_asyncio_loop()
    if loop not in _tasks:
        _end_tasks_of_closed_loops()
    task = loop.create_task(_on_asyncio(body), name=name, context=context)
    _tasks.setdefault(loop, {})[task] = on_end
    # A task that asyncio cancels before its first step never runs a line of its body.
    task.add_done_callback(_on_done)


def _on_done(task: asyncio.Task[None]) -> None:
    tasks = _tasks[task.get_loop()]
    on_end = tasks.pop(task)
    if not tasks:
        del _tasks[task.get_loop()]
    on_end()


def _end_tasks_of_closed_loops() -> None:
    """End what never ends by itself: a loop that was closed with tasks in it would be kept, with its descriptors."""
    states = getattr(sys.modules.get("anyio._backends._asyncio"), "_task_states", {})
    for loop in filter(is_loop_closed, tuple(_tasks)):
        for task, on_end in _tasks.pop(loop, {}).items():
            on_end()
            coroutine: Any = task.get_coro()
            with suppress(BaseException):  # it cannot leave a cancel scope of anyio, nor wait
                coroutine.close()
            states.pop(task, None)  # anyio refers to the task by that scope
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it has ended now


async def _on_trio(body: TaskBody, on_end: Callable[[], None], name: str) -> None:
    trio = trio_or_none()
    cancelled = None
    try:
        process_exit = await body()
    except trio.Cancelled:
        raise
    except BaseExceptionGroup as group:  # a source failed while the end of the run cancelled it
        cancelled, process_exit = group.split(trio.Cancelled)
    except BaseException as error:  # noqa: BLE001 - a system task that raises would end the run with an "internal error"
        process_exit = error
    finally:
        on_end()
    if process_exit is not None:
        log("cache", "error", "%s: %s was raised, and no caller was waiting", name, type(process_exit).__name__)
    if cancelled is not None:
        raise cancelled


async def _on_asyncio(body: TaskBody) -> None:
    process_exit = await body()
    if process_exit is not None:
        raise process_exit  # as in any asyncio task: it ends the run


def trio_or_none() -> Any:
    """Return trio if this is a trio task. trio has precedence: in guest mode it runs inside another loop."""
    trio = sys.modules.get("trio")
    # Without ``lowlevel`` another thread is just importing it (httpcore does): no run uses it yet.
    lowlevel = getattr(trio, "lowlevel", None)
    return trio if lowlevel is not None and lowlevel.in_trio_task() else None


def anyio_backend() -> str:
    """Return the name of the module that anyio needs for waiting on this event loop."""
    return "anyio._backends._asyncio" if trio_or_none() is None else "anyio._backends._trio"


def is_imported(name: str) -> bool:
    """Return whether a module is imported completely; another thread may be in the middle of it."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
