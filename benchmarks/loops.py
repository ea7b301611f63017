"""Threads with an event loop each that need credentials at one moment, and requests with a short event loop each."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import perf_counter, sleep

import anyio

from anycreds import CachedProvider, Credentials, cached, from_http

from .measurement import Fake, Row, fake_aws, ratio, run_on, span

LATENCY = 0.05  # seconds: about the response time of STS
LIFETIME = 2.0  # seconds, so that credentials expire while the benchmark runs
LOOPS, REQUESTS = 16, 100
GOAL = 1.3  # as for the tasks of one event loop: the threads start while the source responds


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows of one kind of event loop."""

    def run(main: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
        return run_on(loop, main)

    with fake_aws() as fake:
        return [_exchanges(run, loop, fake), _expirations(run, loop), _time(run, loop, 3 if quick else 9)]


RunOn = Callable[[Callable[[], Awaitable[list[Row]]]], list[Row]]


def _in_threads(run: RunOn, wait: Callable[[], Awaitable[object]], *, threads: int, times: int) -> float:
    """Await a function so many times, each in a new event loop, in some threads. Return the seconds it took."""

    async def main() -> list[Row]:
        await wait()
        return []

    ready = threading.Barrier(threads + 1)
    with ThreadPoolExecutor(threads, initializer=ready.wait) as pool:
        for _ in range(threads):
            pool.submit(int)
        ready.wait()
        started = perf_counter()
        for future in [pool.submit(run, main) for _ in range(times)]:
            future.result()
        return perf_counter() - started


def _exact(what: str, loop: str, calls: list[int], goal: float) -> Row:
    return Row(
        what=what,
        loop=loop,
        unit="requests",
        ours=span(calls),
        baseline=None,
        baseline_is="",
        kind="exact",
        judged=span(calls),
        goal=goal,
    )


def _exchanges(run: RunOn, loop: str, fake: Fake) -> Row:
    """Count the requests to a server in another process."""
    before = fake.count("container")
    provider = cached(
        from_http(full_uri=fake.container_url, authorization_token=fake.container_token, timeout=30.0, max_retries=0)
    )
    _in_threads(run, provider, threads=LOOPS, times=LOOPS)
    return _exact(f"{LOOPS} cold event loops: HTTP requests", loop, [fake.count("container") - before], 1.0)


def _source() -> tuple[CachedProvider, list[int]]:
    calls: list[int] = []

    async def source() -> Credentials:
        calls.append(1)
        await anyio.sleep(LATENCY)
        return Credentials("AKIDEXAMPLE", "no-secret", "t", expiration=datetime.now(UTC) + timedelta(seconds=LIFETIME))

    return cached(source), calls


def _expirations(run: RunOn, loop: str) -> Row:
    """Count the calls of requests with an event loop each, when nothing is cached and after the expiration."""
    provider, calls = _source()
    counts = []
    for _ in range(3):
        _in_threads(run, provider, threads=LOOPS, times=REQUESTS)
        counts.append(len(calls))
        calls.clear()
        sleep(LIFETIME)
    return _exact(f"{REQUESTS} requests with an event loop each: calls at each expiration", loop, counts, 1.0)


def _time(run: RunOn, loop: str, rounds: int) -> Row:
    mine, least, calls = [], [], []
    for _ in range(rounds):
        provider, made = _source()
        mine.append(_in_threads(run, provider, threads=LOOPS, times=LOOPS))
        calls.append(len(made))
        least.append(_in_threads(run, lambda: anyio.sleep(LATENCY), threads=LOOPS, times=LOOPS))
    return Row(
        what=f"{LOOPS} cold event loops: all served",
        loop=loop,
        unit="s",
        ours=span(mine),
        baseline=span(least),
        baseline_is="as many event loops that sleep for the latency",
        kind="ratio",
        judged=ratio(mine, least),
        goal=GOAL,
        notes=(f"calls in each round: {sorted(set(calls))}",),
        details={"calls": calls, "latency": LATENCY},
    )
