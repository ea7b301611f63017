"""Many tasks that ask one provider in one instant: who asked when, who was served or left when, and with what.

Nothing is judged here. Times are seconds of ``now()``.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Literal, NamedTuple

import anyio

from ... import CachedProvider, CredentialsError

# Every tenth is cancelled, counted in the order of asking from the very first: that one has started the refresh.
CANCELLED_ONE_IN = 10
# An act takes half a second. Whoever still waits after this has been forgotten.
LONGEST_ACT = 30.0

now = perf_counter

Outcome = Literal["served", "cancelled", "failed", "forgotten"]


class Call(NamedTuple):
    """What became of one task that asked."""

    asked: float
    ended: float
    outcome: Outcome
    key: str = ""
    """The access key id that it was served; no secret."""
    problem: str = ""
    """Why it failed, for people."""
    cancelled_at: float | None = None

    @property
    def waited(self) -> float:
        """Seconds from asking to the end."""
        return self.ended - self.asked


def to_cancel(callers: int) -> int:
    """Return how many of so many are cancelled. A single one is not: nobody would be left to be served."""
    return -(-callers // CANCELLED_ONE_IN) if callers > 1 else 0


async def ask_at_once(
    provider: CachedProvider, callers: int, start: Callable[[], Awaitable[None]], cancel_after: float | None
) -> list[Call]:
    """Let so many tasks wait until ``start`` returns, then ask all at once. Return their calls, in the order of asking.

    With ``cancel_after`` some are cancelled that many seconds after all have asked.
    """
    crowd = _Crowd(provider, callers)
    with _undisturbed(), anyio.move_on_after(None) as limit:
        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(crowd.ask)
            await crowd.all_there.wait()
            await start()
            limit.deadline = anyio.current_time() + LONGEST_ACT
            crowd.gate.set()
            await crowd.all_asked.wait()
            if cancel_after is not None:
                await anyio.sleep(cancel_after)
                crowd.cancel_some()
    return [one.call() for one in crowd.asking]


class _One:
    """A task that has asked."""

    __slots__ = ("asked", "cancelled_at", "ended", "key", "problem", "scope")

    def __init__(self) -> None:
        self.scope = anyio.CancelScope()
        self.key = ""
        self.problem = ""
        self.ended: float | None = None
        self.cancelled_at: float | None = None
        self.asked = now()

    def call(self) -> Call:
        outcome: Outcome = "forgotten"
        if self.key:
            outcome = "served"
        elif self.problem:
            outcome = "failed"
        elif self.ended is not None and self.cancelled_at is not None:
            outcome = "cancelled"
        ended = now() if self.ended is None else self.ended
        return Call(self.asked, ended, outcome, self.key, self.problem, self.cancelled_at)


class _Crowd:
    """All of them. They are let go by one event, so that all ask in one turn of the event loop."""

    def __init__(self, provider: CachedProvider, callers: int) -> None:
        self._provider = provider
        self._callers = callers
        self._there = 0
        self.asking: list[_One] = []
        self.all_there = anyio.Event()
        self.gate = anyio.Event()
        self.all_asked = anyio.Event()

    async def ask(self) -> None:
        self._there += 1
        if self._there == self._callers:
            self.all_there.set()
        await self.gate.wait()
        one = _One()
        self.asking.append(one)
        if len(self.asking) == self._callers:
            self.all_asked.set()
        with one.scope:
            try:
                one.key = (await self._provider()).access_key_id
            except CredentialsError as error:
                one.problem = str(error)
            one.ended = now()
        if one.scope.cancelled_caught:
            one.ended = now()

    def cancel_some(self) -> None:
        for one in self.asking[::CANCELLED_ONE_IN][: to_cancel(self._callers)]:
            one.cancelled_at = now()
            one.scope.cancel()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold the garbage collector off, as ``timeit`` does: with many tasks one collection outlasts what is measured."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
