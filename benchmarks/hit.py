"""A cache hit (``await provider()`` with fresh credentials), compared with a trivial await."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import repeat
from time import perf_counter

from anycreds import Credentials, cached

from .measurement import Row, interleaved, ratio, run_on, span

AWAITS = 10_000  # per sample: about a millisecond, well above the clock's resolution
GOAL = 2.1  # reading the clock and calling an object take 1.99 already


class PlainMethod:
    """The baseline: an object with an async method that returns an attribute."""

    __slots__ = ("value",)

    def __init__(self, value: Credentials) -> None:
        self.value = value

    async def method(self) -> Credentials:
        """Return the attribute."""
        return self.value


class SmallestProvider(PlainMethod):
    """The smallest possible provider. Calling an object takes longer in Python than calling a method."""

    __slots__ = ()

    async def __call__(self) -> Credentials:
        """Return the attribute."""
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
    plain, smallest = PlainMethod(fresh), SmallestProvider(fresh)

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
    await interleaved(3, *samples)  # warm up: the interpreter specializes hot code
    gc.collect()
    gc.disable()  # as ``timeit`` does; no reference cycles are created here
    try:
        ours, plain, smallest, nothing = await interleaved(rounds, *samples)
    finally:
        gc.enable()
    judged, to_smallest = ratio(ours, plain), ratio(ours, smallest)
    empty = span(nothing).median
    bare = (span(ours).median - empty) / (span(plain).median - empty)
    return Row(
        what="cache hit, one await",
        loop=loop,
        unit="s",
        ours=span([seconds / AWAITS for seconds in ours]),
        baseline=span([seconds / AWAITS for seconds in plain]),
        baseline_is="await of a trivial async method",
        kind="ratio",
        judged=judged,
        goal=GOAL,
        notes=(
            f"compared with the smallest provider (an async __call__): {to_smallest.median:.2f} ×",
            f"without the surrounding loop, which takes {empty / AWAITS * 1e9:.1f} ns: {bare:.2f} ×",
        ),
        details={"to_smallest_provider": to_smallest, "without_loop": bare},
    )
