"""A ``RoleCache`` of ten thousand roles: calls of STS, how many at once, memory of an idle role, and hits."""

from __future__ import annotations

import gc
import subprocess
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat
from time import perf_counter

import anyio

from anycreds import ClientConfig, Credentials, Provider, RoleCache, cached, from_temporary_credentials

from .measurement import Row, interleaved, ratio, run_on, serving, span

SOME, MANY = 500, 10_000  # roles
LIMIT = 20  # calls at once
GOAL_MEMORY = 8 * 1024.0  # bytes per idle role
AWAITS, GOAL_HIT = 10_000, 1.3  # hits per sample, and the goal for the ratio to hits of ``cached``
ROLE = "arn:aws:iam::123456789012:role/tenant-{}"


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one event loop."""
    count, rounds = (SOME, 30) if quick else (MANY, 300)
    with serving("sts.py") as (process, words):
        return run_on(loop, lambda: _measure(loop, count, rounds, words[0], process))


async def _measure(loop: str, count: int, rounds: int, url: str, process: subprocess.Popen[str]) -> list[Row]:
    return [await _hit(loop, count, rounds), *await _cold(loop, count, url, process), await _memory(loop, count, url)]


def _roles(url: str) -> RoleCache[int]:
    async def keys() -> Credentials:
        return Credentials("AKIDEXAMPLE", "no-secret")

    source, config = cached(keys), ClientConfig(region="us-east-1", endpoint_url=url)

    def role_of(key: int) -> Provider:
        return from_temporary_credentials(
            ROLE.format(key), source_credentials=source, role_session_name=f"tenant-{key}", client_config=config
        )

    return RoleCache(role_of, max_concurrency=LIMIT)


async def _call_all(roles: RoleCache[int], keys: Iterable[int]) -> float:
    """Await all keys at once. Return in how many seconds all have credentials."""
    started = perf_counter()
    async with anyio.create_task_group() as tasks:
        for key in keys:
            tasks.start_soon(roles, key)
    return perf_counter() - started


async def _cold(loop: str, count: int, url: str, process: subprocess.Popen[str]) -> list[Row]:
    await _call_all(_roles(url), range(LIMIT))  # imports
    _counters(process)
    seconds = await _call_all(_roles(url), range(count))
    requests, most = _counters(process)
    what, notes = f"{count:,} cold roles, {LIMIT} calls at once", (f"{count / seconds:,.0f} roles per second",)
    calls, at_once, taken = span([requests]), span([most]), span([seconds])
    return [
        Row(f"{what}: calls of STS", loop, "requests", calls, None, "", "exact", calls, count),
        Row(f"{what}: most at once", loop, "requests", at_once, None, "", "exact", at_once, LIMIT),
        Row(f"{what}: time", loop, "s", taken, None, "", "value", taken, None, notes),
    ]


def _counters(process: subprocess.Popen[str]) -> tuple[int, int]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(file=process.stdin, flush=True)
    requests, most = process.stdout.readline().split()
    return int(requests), int(most)


async def _memory(loop: str, count: int, url: str) -> Row:
    """Measure the growth of Python's memory, after all roles were used once and all tasks are gone."""
    roles = _roles(url)
    await _call_all(roles, range(-LIMIT, 0))
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await _call_all(roles, range(count))
        await anyio.sleep(0.1)  # the last tasks end
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    each = span([(after - before) / count])
    return Row(f"{count:,} idle roles: memory of each", loop, "bytes", each, None, "", "value", each, GOAL_MEMORY)


async def _hit(loop: str, count: int, rounds: int) -> Row:
    fresh = Credentials("AKIDEXAMPLE", "no-secret", "t", expiration=datetime.now(UTC) + timedelta(hours=6))

    async def source() -> Credentials:
        return fresh

    provider, roles = cached(source), RoleCache[str](lambda _: source)
    await provider()
    for number in range(count):
        await roles(f"tenant-{number}")

    async def hits_of_cached() -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            await provider()
        return perf_counter() - started

    async def hits(key: str) -> float:
        started = perf_counter()
        for _ in repeat(None, AWAITS):
            await roles(key)
        return perf_counter() - started

    samples = partial(hits, f"tenant-{count // 2}"), hits_of_cached
    await interleaved(3, *samples)  # warm up: the interpreter specializes hot code
    gc.collect()
    gc.disable()
    try:
        ours, least = await interleaved(rounds, *samples)
    finally:
        gc.enable()
    return Row(
        what=f"hit, one of {count:,} roles",
        loop=loop,
        unit="s",
        ours=span([seconds / AWAITS for seconds in ours]),
        baseline=span([seconds / AWAITS for seconds in least]),
        baseline_is="a hit of a cached provider",
        kind="ratio",
        judged=ratio(ours, least),
        goal=GOAL_HIT,
        notes=(f"ratio of the minima: {min(ours) / min(least):.2f} ×",),
    )
