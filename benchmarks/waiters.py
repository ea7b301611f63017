"""Thousands of tasks at a cold provider: one upstream exchange, and little more time and memory than for one event."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

import anyio

from anycreds import Credentials, cached, from_http

from .measuring import Fake, Row, excess, fake_aws, interleaved, ratio, run_on, span

LATENCY = 0.05  # seconds that the upstream takes: about what STS does
FEW = 100  # callers of a first round, which only makes both ready
GOAL_MEMORY = 1024.0  # bytes a waiter
# How many tasks, and in what part of the time that as many take which wait for one event.
SOME, GOAL_SOME = 1_000, 1.6
MANY, GOAL_MANY = 10_000, 2.0
Ask = Callable[[], Awaitable[object]]


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    callers, rounds = (3_000, 1) if quick else (MANY, 3)
    with fake_aws() as fake:
        return run_on(loop, lambda: _measure(loop, callers, rounds, fake))


async def _measure(loop: str, callers: int, rounds: int, fake: Fake) -> list[Row]:
    return [
        await _exchanges(loop, callers, fake),
        await _time(loop, SOME, 3 * rounds, GOAL_SOME),
        await _time(loop, callers, rounds, GOAL_MANY),
        await _memory(loop, callers, rounds),
    ]


def _fresh() -> Credentials:
    return Credentials("AKIDEXAMPLE", "no-secret", "t", expiration=datetime.now(UTC) + timedelta(hours=6))


async def _all_ask(callers: int, ask: Ask) -> int:
    """Let that many tasks ask at once. Return how many were served."""
    served = 0

    async def caller() -> None:
        nonlocal served
        await ask()
        served += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(caller)
    return served


async def _exchanges(loop: str, callers: int, fake: Fake) -> Row:
    """Count what a server in another process gets."""
    before = fake.count("container")
    provider = cached(
        from_http(full_uri=fake.container_url, authorization_token=fake.container_token, timeout=30.0, max_retries=0)
    )
    served = await _all_ask(callers, provider)
    exchanges = span([fake.count("container") - before])
    return Row(
        what=f"{callers:,} cold callers: HTTP exchanges",
        loop=loop,
        unit="calls",
        ours=exchanges,
        floor=None,
        floor_is="",
        kind="exact",
        judged=exchanges,
        goal=1.0,
        notes=(f"served: {served:,} of {callers:,}",),
        details={"callers": callers, "served": served},
    )


async def _time(loop: str, callers: int, rounds: int, goal: float) -> Row:
    calls: list[int] = []

    async def ours(callers: int = callers) -> float:
        asked = 0

        async def source() -> Credentials:
            nonlocal asked
            asked += 1
            await anyio.sleep(LATENCY)
            return _fresh()

        provider = cached(source)
        gc.collect()
        started = perf_counter()
        assert await _all_ask(callers, provider) == callers
        calls.append(asked)
        return perf_counter() - started

    async def floor(callers: int = callers) -> float:
        event = anyio.Event()

        async def upstream() -> None:
            await anyio.sleep(LATENCY)
            event.set()

        gc.collect()
        started = perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream)
            assert await _all_ask(callers, event.wait) == callers
        return perf_counter() - started

    await ours(FEW), await floor(FEW)
    calls.clear()
    mine, least = await interleaved(rounds, ours, floor)
    rest = ratio([seconds - LATENCY for seconds in mine], [seconds - LATENCY for seconds in least])
    return Row(
        what=f"{callers:,} cold callers: all served",
        loop=loop,
        unit="s",
        ours=span(mine),
        floor=span(least),
        floor_is="as many tasks wait for one event",
        kind="ratio",
        judged=ratio(mine, least),
        goal=goal,
        notes=(
            f"without the upstream's {LATENCY * 1e3:.0f} ms, which both contain: {rest.median:.2f} ×",
            f"upstream calls in each round: {sorted(set(calls))}",
        ),
        details={"without_latency": rest, "upstream_calls": calls, "latency": LATENCY},
    )


async def _memory(loop: str, callers: int, rounds: int) -> Row:
    async def ours(callers: int = callers) -> float:
        release = anyio.Event()

        async def source() -> Credentials:
            await release.wait()
            return _fresh()

        return await _peak(callers, cached(source), release)

    async def floor(callers: int = callers) -> float:
        release = anyio.Event()
        return await _peak(callers, release.wait, release)

    await ours(FEW), await floor(FEW)
    mine, least = await interleaved(rounds, ours, floor)
    return Row(
        what=f"{callers:,} waiters: memory of each",
        loop=loop,
        unit="bytes",
        ours=span([peak / callers for peak in mine]),
        floor=span([peak / callers for peak in least]),
        floor_is="a task that waits for an event",
        kind="excess",
        judged=excess([peak / callers for peak in mine], [peak / callers for peak in least]),
        goal=GOAL_MEMORY,
    )


async def _peak(callers: int, ask: Ask, release: anyio.Event) -> float:
    """Return by how many bytes Python's memory rises at most, from before the first task until all have been served.

    The figure has steps: a table of the event loop that has just become too small is replaced by one twice as large.
    """
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_all_ask, callers, ask)
            await anyio.wait_all_tasks_blocked()
            release.set()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return float(peak - before)
