"""Callers that are tasks of asyncio."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter

from . import tasks
from .jobs import EXIT_DELAY, CallLog, Job, wait_for_go


def run(setup: tasks.Setup, job: Job) -> None:
    """Run a job."""
    asyncio.run({"concurrent": _concurrent, "resolve": tasks.resolve, "hit": tasks.hit}[job.kind](setup, job))


async def _concurrent(setup: tasks.Setup, job: Job) -> None:
    if job.is_warm:
        await (await setup())()
    get_key = await setup()
    first = None if job.lifetime is None else await get_key()
    came = perf_counter()
    await asyncio.sleep(job.after)
    wait_for_go()
    log = CallLog(job, first, came)
    callers = [asyncio.create_task(tasks.call(LOOP, number, get_key, job, log)) for number in range(job.callers)]
    if job.cancel_first is not None:
        asyncio.get_running_loop().call_later(job.cancel_first, callers[0].cancel)
    await asyncio.wait(callers, timeout=job.time_limit)
    log.print_results()
    await asyncio.sleep(EXIT_DELAY)


async def _with_timeout(get_key: tasks.GetKey, seconds: float) -> str | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await get_key()
    return None


LOOP = tasks.Loop(asyncio.sleep, _with_timeout, asyncio.CancelledError)
