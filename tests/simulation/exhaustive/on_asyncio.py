"""Runs a world on asyncio, on the event loop of detangle, which asks which of the tasks that can run is the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio._backends._asyncio  # noqa: F401 - otherwise a call would wait for the thread that imports it
import detangle

from .play import Play
from .tasks import Body, Task

# The leaks that it checks are tasks. Nothing here draws random numbers.
CONFIG = detangle.SimConfig(check_leaks=True, seed_random=False)


class Order(detangle.Strategy):
    """Lets a run choose the next task."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def schedule(self, lanes: Sequence[Any]) -> int:
        """Return the index of the lane to run: a task, or the callbacks."""
        return self._play.order(["" if lane.task is None else lane.task.get_name() for lane in lanes])


def now() -> float:
    """Return the time of the event loop, also outside its tasks."""
    return asyncio.get_running_loop().time()


def run(play: Play) -> None:
    """Run a world."""
    result = detangle.execute(_main, (play,), config=CONFIG, strategy=Order(play))
    if result.failure is not None:
        play.history.problem_of_run(f"{result.failure.kind}: {result.failure.message}")


async def _main(play: Play) -> None:
    tasks: dict[asyncio.Task[None], Task] = {}

    def start(task: Task, body: Body) -> None:
        started = asyncio.ensure_future(body(task))
        started.set_name(task.name)
        task.cancel = started.cancel
        tasks[started] = task

    detangle.invariant(play.after_step)
    await play.run(start, lambda: asyncio.wait(tasks))
    await asyncio.gather(*tasks, return_exceptions=True)
    for started, task in tasks.items():
        if task.is_cancelled and not started.cancelled():
            play.history.problem(f"{task.name} goes on after its cancellation")
    if left := [f"timer at {when}" for when, _, handle in detangle.current_loop()._timers if not handle.cancelled()]:
        play.history.problem(f"timers are left: {left}")
