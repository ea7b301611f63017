"""A hit: ``await provider()`` while a fresh set is cached, against the least that an await of an object can be."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import repeat
from time import perf_counter

from anycreds import Credentials, cached

from .measuring import Row, interleaved, ratio, run_on, span

AWAITS = 10_000  # in one sample: about a millisecond, which no clock's grain disturbs
GOAL = 2.0


class Plain:
    """The floor: an object with slots, and an async method that gives what stands in one of them."""

    __slots__ = ("value",)

    def __init__(self, value: Credentials) -> None:
        self.value = value

    async def method(self) -> Credentials:
        """Return it."""
        return self.value


class Smallest(Plain):
    """The smallest provider there can be. Python takes longer to call an object than a method of one."""

    __slots__ = ()

    async def __call__(self) -> Credentials:
        """Return it."""
        return self.value


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row of one event loop."""
    return run_on(loop, lambda: _measure(loop, 60 if quick else 600))


async def _measure(loop: str, rounds: int) -> list[Row]:
    fresh = Credentials("AKIDEXAMPLE", "no-secret", "t", expiration=datetime.now(UTC) + timedelta(hours=6))

    async def source() -> Credentials:
        return fresh

    provider = cached(source)
    fresh = await provider()
    plain, smallest = Plain(fresh), Smallest(fresh)

    async def hits() -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            await provider()
        return perf_counter() - started

    async def awaits() -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            await plain.method()
        return perf_counter() - started

    async def calls() -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            await smallest()
        return perf_counter() - started

    async def nothing() -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            pass
        return perf_counter() - started

    return [await _compare(loop, rounds, hits, awaits, calls, nothing)]


async def _compare(loop: str, rounds: int, *samples: Callable[[], Awaitable[float]]) -> Row:
    await interleaved(3, *samples)  # the interpreter adapts to what runs often
    gc.collect()
    gc.disable()  # nothing here makes garbage that needs it; as ``timeit`` does
    try:
        ours, plain, smallest, nothing = await interleaved(rounds, *samples)
    finally:
        gc.enable()
    judged, to_smallest = ratio(ours, plain), ratio(ours, smallest)
    empty = span(nothing).median
    bare = (span(ours).median - empty) / (span(plain).median - empty)
    return Row(
        what="fresh hit, one await",
        loop=loop,
        unit="s",
        ours=span([seconds / AWAITS for seconds in ours]),
        floor=span([seconds / AWAITS for seconds in plain]),
        floor_is="await of a trivial async method",
        kind="ratio",
        judged=judged,
        goal=GOAL,
        notes=(
            f"against the smallest provider (an async __call__ that returns an attribute): {to_smallest.median:.2f} ×",
            f"without the loop around it, which takes {empty / AWAITS * 1e9:.1f} ns: {bare:.2f} ×",
        ),
        details={"to_smallest_provider": to_smallest, "without_loop": bare},
    )
