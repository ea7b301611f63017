"""Runs a coroutine step by step, so that a test can interrupt it at each of its awaits."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


@types.coroutine
def _pass_on(request: Any) -> Generator[Any, Any, Any]:
    return (yield request)


async def stepped(work: Coroutine[Any, Any, T], before_step: Callable[[int], None]) -> T:
    """Await ``work`` on any event loop, and call ``before_step`` with 0, 1, 2 … before each of its steps."""
    result_of_step: Any = None
    error: BaseException | None = None
    step = 0
    while True:
        before_step(step)
        step += 1
        try:
            request = work.send(result_of_step) if error is None else work.throw(error)
        except StopIteration as end:
            result: T = end.value
            return result
        result_of_step = error = None
        try:
            result_of_step = await _pass_on(request)
        except BaseException as thrown:  # noqa: BLE001 - everything that the event loop throws goes to the coroutine
            error = thrown


async def reaches_step(work: Coroutine[Any, Any, object], wanted: int) -> bool:
    """Await ``work``, and cancel it before a step, counted from 0. Return whether it reached that step."""
    reached = False
    with anyio.CancelScope() as scope:

        def cancel(step: int) -> None:
            nonlocal reached
            if step == wanted:
                reached = True
                scope.cancel()

        await stepped(work, cancel)
    return reached
