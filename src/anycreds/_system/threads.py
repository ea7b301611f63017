"""Blocking work in daemon threads, one per call, on asyncio and trio.

The worker threads of asyncio and anyio are joined when a program ends, so a disk that hangs would keep it from ending.
Daemon threads are not joined. A call in a thread of its own takes 65 µs, and in a thread of anyio's pool 50 µs.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from .event_loop import running_asyncio_loop, trio_or_none

T = TypeVar("T")

enabled = True
"""Whether threads are used. Virtual time does not wait for threads, and a program without an event loop needs none."""


async def run_in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Return what a plain function returns, or raise what it raises. If cancelled, leave and drop its result."""
    if not enabled:
        return function(*arguments)
    from anyio.lowlevel import checkpoint_if_cancelled  # loaded by `preload`; environment keys do not need it

    await checkpoint_if_cancelled()
    call = ThreadCall(function, *arguments)
    await call.wait()
    return call.result()


class ThreadEvent:
    """An event that any thread can set and that tasks of the current event loop wait for."""

    __slots__ = ("_call_soon", "_event")

    def __init__(self) -> None:
        trio = trio_or_none()
        if trio is None:
            self._call_soon: Callable[..., object] = running_asyncio_loop().call_soon_threadsafe
            self._event: Any = sys.modules["asyncio"].Event()
        else:
            self._call_soon = trio.lowlevel.current_trio_token().run_sync_soon
            self._event = trio.Event()

    def set(self) -> None:
        """Wake the tasks that wait."""
        with suppress(RuntimeError):  # the event loop is closed, and its tasks with it
            self._call_soon(self._event.set)

    async def wait(self) -> None:
        """Wait until the event is set."""
        await self._event.wait()


class ThreadCall(Generic[T]):
    """A call of a plain function that has started in a thread, and runs to its end even if no task waits for it."""

    __slots__ = ("_arguments", "_done", "_error", "_function", "_result")

    def __init__(self, function: Callable[..., T], *arguments: object) -> None:
        self._function = function
        self._arguments = arguments
        self._error: BaseException | None = None
        self._done: ThreadEvent | None = ThreadEvent() if enabled else None
        if self._done is None or not start_thread(copy_context().run, self._run):
            self._run()

    async def wait(self) -> None:
        """Wait for the end of the call. Raise nothing for how it ended."""
        if self._done is not None:
            await self._done.wait()

    def result(self) -> T:
        """Return the function's result, or raise its error. Call it after `wait` has returned."""
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # the traceback refers to this frame, and so to this call

    def _run(self) -> None:
        try:
            self._result = self._function(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - raised where the result is needed
            self._error = error
        if self._done is not None:
            self._done.set()


def start_thread(function: Callable[..., object], *arguments: object) -> bool:
    """Call a function in a new daemon thread. Return False, without a call, if the system starts no more threads."""
    try:
        threading.Thread(target=function, args=arguments, name="anycreds worker", daemon=True).start()
    except RuntimeError:
        return False
    return True
