"""What callers that are tasks do, on whichever event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import repeat
from time import perf_counter
from typing import NamedTuple, TypeAlias

from .jobs import Asks, Job, tell_samples

Ask: TypeAlias = Callable[[], Awaitable[str]]
Opened: TypeAlias = Callable[[], Awaitable[Ask]]


class Loop(NamedTuple):
    """What differs between event loops."""

    sleep: Callable[[float], Awaitable[None]]
    patiently: Callable[[Ask, float], Awaitable[str | None]]
    """Ask, for at most so many seconds; None: that was too short."""
    cancelled: type[BaseException]


async def call(loop: Loop, number: int, ask: Ask, job: Job, asks: Asks) -> None:
    """Be one caller."""
    for again in range(job.asks):
        if again and job.every:
            await loop.sleep(job.every)
        asks.begin(number)
        try:
            key = await (ask() if job.deadline is None else loop.patiently(ask, job.deadline))
        except loop.cancelled:
            asks.cancelled(number)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library raises is what its users get
            asks.end(number, type(error).__name__)
        else:
            if key is None:
                asks.end(number, "gave up")
                continue
            asks.got(number, key)
            if job.deadline is not None:
                return


async def resolve(opened: Opened, job: Job) -> None:
    """Make the source anew and ask it, again and again."""
    samples = []
    for _ in range(job.asks):
        started = perf_counter()
        await (await opened())()
        samples.append(perf_counter() - started)
    tell_samples(samples)


async def hit(opened: Opened, job: Job) -> None:
    """Ask for what is fresh, again and again."""
    ask = await opened()
    await ask()
    samples = []
    for _ in range(job.asks):
        started = perf_counter()
        for _ in repeat(None, job.callers):
            await ask()
        samples.append((perf_counter() - started) / job.callers)
    tell_samples(samples)
