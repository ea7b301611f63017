"""Callers that are tasks of trio."""

from __future__ import annotations

from math import inf
from time import perf_counter

import trio

from . import tasks
from .jobs import LINGER, Asks, Job, wait_for_go


def play(opened: tasks.Opened, job: Job) -> None:
    """Do a job."""
    trio.run({"concurrent": _concurrent, "resolve": tasks.resolve, "hit": tasks.hit}[job.kind], opened, job)


async def _concurrent(opened: tasks.Opened, job: Job) -> None:
    if job.is_warm:
        await (await opened())()
    ask = await opened()
    first = None if job.life is None else await ask()
    came = perf_counter()
    await trio.sleep(job.after)
    wait_for_go()
    asks = Asks(job, first, came)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + job.cap
        nursery.start_soon(_first, ask, job, asks)
        for number in range(1, job.callers):
            nursery.start_soon(tasks.call, LOOP, number, ask, job, asks)
    asks.tell()
    await trio.sleep(LINGER)


async def _first(ask: tasks.Ask, job: Job, asks: Asks) -> None:
    with trio.move_on_after(inf if job.cancel_first is None else job.cancel_first):
        await tasks.call(LOOP, 0, ask, job, asks)


async def _patiently(ask: tasks.Ask, seconds: float) -> str | None:
    with trio.move_on_after(seconds):
        return await ask()
    return None


LOOP = tasks.Loop(trio.sleep, _patiently, trio.Cancelled)
