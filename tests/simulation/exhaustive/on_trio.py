"""Runs a world on trio, and chooses the order of the tasks within each batch of trio's run queue.

trio takes all tasks that can run as one batch, which it reverses at random. For Hypothesis there is a switch: it sorts
the batch by the age of the tasks, and has its random generator shuffle it. Here that generator asks for the order.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from anycreds._system import trio_timers

from .play import Play
from .tasks import Body, Task

now = trio.current_time


class BatchOrder:
    """Takes the place of trio's random generator."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def shuffle(self, batch: list[Any]) -> None:
        """Put the tasks in the order in which they will run; the run loop takes the last one first."""
        rest, ordered = list(batch), []
        while rest:
            ordered.append(rest.pop(self._play.order([task.name for task in rest])))
        batch[:] = reversed(ordered)


class Steps(trio.abc.Instrument):
    """Tells a run of each step of a task."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Let an event happen."""
        self._play.after_step()


def run(play: Play) -> None:
    """Run a world."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr("trio._core._run._r", BatchOrder(play))
        try:
            trio.run(_main, play, clock=clock, instruments=[Steps(play)])
        except Exception as error:  # noqa: BLE001 - of whatever kind, it breaks an invariant
            play.history.problem_of_run(repr(error))


async def _main(play: Play) -> None:
    before = _system_tasks()
    running: set[Task] = set()
    all_ended = trio.Event()

    async def cancellable(task: Task, body: Body) -> None:
        try:
            with trio.CancelScope() as scope:
                task.cancel = scope.cancel
                await body(task)
        finally:
            running.discard(task)
            if not running:
                all_ended.set()

    async with trio.open_nursery() as nursery:

        def start(task: Task, body: Body) -> None:
            running.add(task)
            nursery.start_soon(cancellable, task, body, name=task.name)

        await play.run(start, all_ended.wait)
        nursery.cancel_scope.cancel()  # of tasks that never end
    if left := _system_tasks() - before:
        play.history.problem(f"tasks are left: {left}")


def _system_tasks() -> set[str]:
    """Return the names of the tasks of this run besides those of a world, and its pending timers."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    names = {task.name for nursery in root.child_nurseries for task in nursery.child_tasks}
    if "anycreds timers" in names:
        names.remove("anycreds timers")  # it waits for timers as long as the run lasts
        names |= {f"timer at {when}" for when, _, timer in trio_timers.timers_of_run()._heap if timer.callback}
    return names
