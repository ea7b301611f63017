"""The time of one attempt. What this program does itself meanwhile, loading or other work, does not count.

Importing the HTTP library takes 100 ms, or seconds where the disk or the processor is slow. Other tasks may hold the
event loop for long at each of its turns, and an answer that has come is seen some turns later. Neither is a fault of
whom we ask, so it must not look as if there were no answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio import CancelScope


# Turns that the loop makes until an exchange over a new connection has ended: 14 were counted on asyncio, 11 on trio.
_TURNS = 20
# Turns that are looked at to know how long one is; of so many, trio's order of tasks, which is random, may hide one.
_SEEN = 3
# Seconds. Turns that are shorter do no harm, and so much is the most that is given for long ones: a loop that is held
# longer at each turn has no use for credentials.
_NOTICED, _MOST = 0.005, 10.0


async def busyness() -> float:
    """Return how many seconds an exchange needs in this event loop though its answer comes at once; 0: next to none."""
    from anyio.lowlevel import checkpoint  # it loads more than keys of the environment need

    begun = anyio.current_time()
    for _ in range(_SEEN):
        await checkpoint()
    turn = (anyio.current_time() - begun) / (_SEEN - 1)
    return min(turn * _TURNS, _MOST) if turn >= _NOTICED else 0.0


class AttemptTime:
    """A clock, and the deadlines that run by it."""

    __slots__ = ("_clock", "_lefts", "_lost", "_pauses")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost = 0.0
        self._pauses = 0
        self._lefts: dict[CancelScope, float] = {}

    def monotonic(self) -> float:
        """Return the seconds that count, from any origin."""
        return self._clock() - self._lost

    def begin(self, scope: CancelScope, seconds: float) -> None:
        """Let a deadline run."""
        self._lefts[scope] = seconds
        scope.deadline = math.inf if self._pauses else anyio.current_time() + seconds

    def end(self, scope: CancelScope) -> None:
        """Forget a deadline that does not run any more."""
        self._lefts.pop(scope, None)

    def give(self, seconds: float) -> None:
        """Let so many seconds from now on not count."""
        self._lost += seconds
        for scope in self._lefts:
            scope.deadline += seconds
            self._lefts[scope] += seconds if self._pauses else 0.0

    @contextmanager
    def paused(self, counted: float) -> Iterator[None]:
        """Stand still in a ``with``, but for its first ``counted`` seconds. Several may overlap."""
        begun = anyio.current_time()
        self._pauses += 1
        if self._pauses == 1:
            for scope in self._lefts:
                self._lefts[scope] = scope.deadline - begun
                scope.deadline = math.inf
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0:
                self._resume(anyio.current_time(), begun, counted)

    def _resume(self, now: float, begun: float, counted: float) -> None:
        spent = min(now - begun, counted)
        self._lost += now - begun - spent
        for scope, left in self._lefts.items():
            scope.deadline = now + left - spent
