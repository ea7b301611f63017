"""Callers that are tasks of trio."""

from __future__ import annotations

from math import inf
from time import perf_counter

import trio

from . import tasks
from .jobs import EXIT_DELAY, CallLog, Job, wait_for_go


def run(setup: tasks.Setup, job: Job) -> None:
    """Run a job."""
    trio.run({"concurrent": _concurrent, "resolve": tasks.resolve, "hit": tasks.hit}[job.kind], setup, job)


async def _concurrent(setup: tasks.Setup, job: Job) -> None:
    if job.is_warm:
        await (await setup())()
    get_key = await setup()
    first = None if job.lifetime is None else await get_key()
    came = perf_counter()
    await trio.sleep(job.after)
    wait_for_go()
    log = CallLog(job, first, came)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + job.time_limit
        nursery.start_soon(_first, get_key, job, log)
        for number in range(1, job.callers):
            nursery.start_soon(tasks.call, LOOP, number, get_key, job, log)
    log.print_results()
    await trio.sleep(EXIT_DELAY)


async def _first(get_key: tasks.GetKey, job: Job, log: CallLog) -> None:
    with trio.move_on_after(inf if job.cancel_first is None else job.cancel_first):
        await tasks.call(LOOP, 0, get_key, job, log)


async def _with_timeout(get_key: tasks.GetKey, seconds: float) -> str | None:
    with trio.move_on_after(seconds):
        return await get_key()
    return None


LOOP = tasks.Loop(trio.sleep, _with_timeout, trio.Cancelled)
