"""Work that is finished whatever becomes of its caller, because its result cannot be had again.

The work runs in a daemon thread, in an event loop of its own. So neither a cancellation of the caller, in whatever way
of its backend, nor the end of the caller's event loop reaches it, and the caller can leave at once.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, TypeVar

from .._core.errors import RetrievalError
from . import threads
from .deadlines import leave_attempts
from .event_loop import spawn_system_task, trio_or_none

T = TypeVar("T")

# Seconds that the end of the process waits for unfinished work: enough for one exchange with a service that responds,
# and too short to be noticed as a hang.
EXIT_TIMEOUT = 1.5
_unfinished: set[threading.Event] = set()


async def run_detached(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Return what ``work`` returns, or raise what it raises. If cancelled, leave at once; see ``Io``."""
    results: list[T] = []
    errors: list[BaseException] = []
    done, ended = threads.ThreadEvent(), threading.Event()

    async def body() -> None:
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised where the result is needed
            errors.append(error)

    def on_end() -> None:
        _unfinished.discard(ended)
        ended.set()
        done.set()

    def in_thread() -> None:
        try:
            run(body)
        except OSError as error:
            errors.append(RetrievalError(f"could not start an event loop: {os.strerror(error.errno or 0)}"))
        except BaseException as error:  # noqa: BLE001 - raised where the result is needed
            errors.append(error)
        finally:
            on_end()

    trio = trio_or_none()
    run: Callable[[Callable[[], Coroutine[Any, Any, None]]], None] = _run_asyncio if trio is None else trio.run
    context = copy_context()
    leave_attempts(context)
    _unfinished.add(ended)
    # Virtual time does not wait for threads: the work is a task of the caller's event loop.
    if not threads.enabled or not threads.start_thread(context.run, in_thread):
        spawn_system_task(body, on_end, "anycreds detached work", context)
    await done.wait()
    if results:
        return results[0]
    try:
        raise errors[0] if errors else RetrievalError("the event loop cancelled the work")
    finally:
        errors.clear()  # the traceback refers to this frame


def _run_asyncio(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import asyncio  # a trio program never imports it

    with asyncio.Runner() as runner:
        runner.get_loop()  # may fail, and then no coroutine is left that was never awaited
        runner.run(body())


@atexit.register
def _wait_for_unfinished() -> None:
    """Wait for the work in progress, since the process would end its threads."""
    end = time.monotonic() + EXIT_TIMEOUT
    for ended in list(_unfinished):
        ended.wait(max(0.0, end - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unfinished.clear)  # a child process has none of the threads
