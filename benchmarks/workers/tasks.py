"""Callers that are tasks, on any event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import repeat
from time import perf_counter
from typing import NamedTuple, TypeAlias

from .jobs import CallLog, Job, print_samples

GetKey: TypeAlias = Callable[[], Awaitable[str]]
Setup: TypeAlias = Callable[[], Awaitable[GetKey]]


class Loop(NamedTuple):
    """The differences between event loops."""

    sleep: Callable[[float], Awaitable[None]]
    with_timeout: Callable[[GetKey, float], Awaitable[str | None]]
    """Call with a timeout in seconds. Returns None if it expires."""
    cancelled: type[BaseException]


async def call(loop: Loop, number: int, get_key: GetKey, job: Job, log: CallLog) -> None:
    """Run one caller."""
    for again in range(job.calls):
        if again and job.pause:
            await loop.sleep(job.pause)
        log.begin(number)
        try:
            key = await (get_key() if job.deadline is None else loop.with_timeout(get_key, job.deadline))
        except loop.cancelled:
            log.cancelled(number)
            raise
        except Exception as error:  # noqa: BLE001 - every error of a library is an outcome
            log.end(number, type(error).__name__)
        else:
            if key is None:
                log.end(number, "timed out")
                continue
            log.got(number, key)
            if job.deadline is not None:
                return


async def resolve(setup: Setup, job: Job) -> None:
    """Measure cold calls, each with a new source."""
    samples = []
    for _ in range(job.calls):
        started = perf_counter()
        await (await setup())()
        samples.append(perf_counter() - started)
    print_samples(samples)


async def hit(setup: Setup, job: Job) -> None:
    """Measure cache hits."""
    get_key = await setup()
    await get_key()
    samples = []
    for _ in range(job.calls):
        started = perf_counter()
        for _ in repeat(None, job.callers):
            await get_key()
        samples.append((perf_counter() - started) / job.callers)
    print_samples(samples)
