"""Callers that are tasks of asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter

from . import tasks
from .jobs import LINGER, Asks, Job, wait_for_go


def play(opened: tasks.Opened, job: Job) -> None:
    """Do a job."""
    asyncio.run({"concurrent": _concurrent, "resolve": tasks.resolve, "hit": tasks.hit}[job.kind](opened, job))


async def _concurrent(opened: tasks.Opened, job: Job) -> None:
    if job.is_warm:
        await (await opened())()
    ask = await opened()
    first = None if job.life is None else await ask()
    came = perf_counter()
    await asyncio.sleep(job.after)
    wait_for_go()
    asks = Asks(job, first, came)
    callers = [asyncio.create_task(tasks.call(LOOP, number, ask, job, asks)) for number in range(job.callers)]
    if job.cancel_first is not None:
        asyncio.get_running_loop().call_later(job.cancel_first, callers[0].cancel)
    await asyncio.wait(callers, timeout=job.cap)
    asks.tell()
    await asyncio.sleep(LINGER)


async def _patiently(ask: tasks.Ask, seconds: float) -> str | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await ask()
    return None


LOOP = tasks.Loop(asyncio.sleep, _patiently, asyncio.CancelledError)
