"""Thousands of concurrent callers of a cold provider, compared with tasks that wait for one event."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

import anyio

from anycreds import Credentials, cached, from_http

from .measurement import Fake, Row, excess, fake_aws, interleaved, ratio, run_on, span

LATENCY = 0.05  # seconds: about the response time of STS
FEW = 100  # callers of the warm-up round
GOAL_MEMORY = 1024.0  # bytes per waiter
# Number of tasks, and the goal for the ratio to the time of as many tasks that wait for one event.
SOME, GOAL_SOME = 1_000, 1.3
MANY, GOAL_MANY = 10_000, 1.6
Call = Callable[[], Awaitable[object]]


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    callers, rounds = (SOME, 1) if quick else (MANY, 3)
    with fake_aws() as fake:
        return run_on(loop, lambda: _measure(loop, callers, rounds, fake))


async def _measure(loop: str, callers: int, rounds: int, fake: Fake) -> list[Row]:
    return [
        await _exchanges(loop, callers, fake),
        await _time(loop, SOME, 3 * rounds, GOAL_SOME),
        *([await _time(loop, callers, rounds, GOAL_MANY)] if callers != SOME else []),
        await _memory(loop, callers, rounds),
    ]


def _fresh() -> Credentials:
    return Credentials("AKIDEXAMPLE", "no-secret", "t", expiration=datetime.now(UTC) + timedelta(hours=6))


async def _call_all(callers: int, call: Call) -> int:
    """Make concurrent calls. Return how many succeeded."""
    served = 0

    async def caller() -> None:
        nonlocal served
        await call()
        served += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(callers):
            tasks.start_soon(caller)
    return served


async def _exchanges(loop: str, callers: int, fake: Fake) -> Row:
    """Count the requests to a server in another process."""
    before = fake.count("container")
    provider = cached(
        from_http(full_uri=fake.container_url, authorization_token=fake.container_token, timeout=30.0, max_retries=0)
    )
    served = await _call_all(callers, provider)
    exchanges = span([fake.count("container") - before])
    return Row(
        what=f"{callers:,} cold callers: HTTP requests",
        loop=loop,
        unit="requests",
        ours=exchanges,
        baseline=None,
        baseline_is="",
        kind="exact",
        judged=exchanges,
        goal=1.0,
        notes=(f"served: {served:,} of {callers:,}",),
        details={"callers": callers, "served": served},
    )


async def _time(loop: str, callers: int, rounds: int, goal: float) -> Row:
    requests: list[int] = []

    async def ours(callers: int = callers) -> float:
        made = 0

        async def source() -> Credentials:
            nonlocal made
            made += 1
            await anyio.sleep(LATENCY)
            return _fresh()

        provider = cached(source)
        gc.collect()
        started = perf_counter()
        assert await _call_all(callers, provider) == callers
        requests.append(made)
        return perf_counter() - started

    async def baseline(callers: int = callers) -> float:
        event = anyio.Event()

        async def upstream() -> None:
            await anyio.sleep(LATENCY)
            event.set()

        gc.collect()
        started = perf_counter()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream)
            assert await _call_all(callers, event.wait) == callers
        return perf_counter() - started

    await ours(FEW), await baseline(FEW)
    requests.clear()
    mine, least = await interleaved(rounds, ours, baseline)
    rest = ratio([seconds - LATENCY for seconds in mine], [seconds - LATENCY for seconds in least])
    return Row(
        what=f"{callers:,} cold callers: all served",
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="as many tasks that wait for one event",
        kind="ratio",
        judged=ratio(mine, least),
        goal=goal,
        notes=(
            f"without the upstream's latency of {LATENCY * 1e3:.0f} ms, which both contain: {rest.median:.2f} ×",
            f"upstream requests in each round: {sorted(set(requests))}",
        ),
        details={"without_latency": rest, "upstream_requests": requests, "latency": LATENCY},
    )


async def _memory(loop: str, callers: int, rounds: int) -> Row:
    async def ours(callers: int = callers) -> float:
        release = anyio.Event()

        async def source() -> Credentials:
            await release.wait()
            return _fresh()

        return await _peak(callers, cached(source), release)

    async def baseline(callers: int = callers) -> float:
        release = anyio.Event()
        return await _peak(callers, release.wait, release)

    await ours(FEW), await baseline(FEW)
    mine, least = await interleaved(rounds, ours, baseline)
    return Row(
        what=f"{callers:,} waiters: memory per waiter",
        loop=loop,
        unit="bytes",
        ours=span([peak / callers for peak in mine]),
        baseline=span([peak / callers for peak in least]),
        baseline_is="a task that waits for an event",
        kind="excess",
        judged=excess([peak / callers for peak in mine], [peak / callers for peak in least]),
        goal=GOAL_MEMORY,
    )


async def _peak(callers: int, call: Call, release: anyio.Event) -> float:
    """Return the peak growth of Python's memory in bytes, from before the first task until all calls have returned.

    The figure has steps, because the event loop doubles its tables when they are full.
    """
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_call_all, callers, call)
            await anyio.wait_all_tasks_blocked()
            release.set()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return float(peak - before)
