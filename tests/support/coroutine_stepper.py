"""Drive a coroutine step by step, so that something can happen to it at each of its awaits."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def _pass_on(request: Any) -> Generator[Any, Any, Any]:
    return (yield request)


async def stepped(work: Coroutine[Any, Any, T], before_step: Callable[[int], None]) -> T:
    """Await ``work``, and call ``before_step`` with 0, 1, 2 … before each piece of it runs, on any event loop."""
    answer: Any = None
    error: BaseException | None = None
    step = 0
    while True:
        before_step(step)
        step += 1
        try:
            request = work.send(answer) if error is None else work.throw(error)
        except StopIteration as end:
            result: T = end.value
            return result
        answer = error = None
        try:
            answer = await _pass_on(request)
        except BaseException as thrown:  # noqa: BLE001 - whatever the loop throws is for the coroutine
            error = thrown
