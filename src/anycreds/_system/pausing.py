"""The time of one attempt, which stands still while what it needs is loaded.

Importing the HTTP library takes 100 ms, or seconds where the disk or the processor is slow. That is no fault of whom we
ask, so it must not look as if there were no answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio import CancelScope


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
