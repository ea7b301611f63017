"""Runs a world on several event loops, each in a thread. Between two steps of tasks another one may continue.

The tasks of a world take the event loops in turn. Within each, tasks run in their usual order; the other modules
explore that. All have one virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

from anycreds._system import event_loop
from support.interleaved_loops import interleaved_backend
from support.interleaving import Scheduler

from .play import Play
from .tasks import Body, Task

LONG = 1e6  # virtual seconds


class NoChance:
    """Takes the place of trio's random generator."""

    def shuffle(self, batch: list[Any]) -> None:
        """Leave the tasks in the order of their age; the run loop takes the last one first."""
        batch.reverse()


class SeveralLoops:
    """Event loops in threads.

    Args:
        backends: The backend of each.
    """

    def __init__(self, *backends: str) -> None:
        self._backends = backends
        self._scheduler = Scheduler((), "no file")

    def now(self) -> float:
        """Return the virtual time."""
        return self._scheduler.now

    def run(self, play: Play) -> None:
        """Run a world."""
        scheduler = self._scheduler
        one = _Run(play, scheduler, len(self._backends))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
            patch.setattr("trio._core._run._r", NoChance())
            patch.setattr(asyncio.Handle, "_run", one.stepped(asyncio.Handle._run))
            scheduler.run([partial(self._run_loop, one, number) for number in range(len(self._backends))])
        self._scheduler = Scheduler((), "no file")
        for error in scheduler.errors:
            play.history.problem_of_run(repr(error))

    def _run_loop(self, one: _Run, number: int) -> None:
        name, options = interleaved_backend(self._backends[number], self._scheduler, one.after_step)
        anyio.run(one.main, number, backend=name, backend_options=options)


class Signal:
    """An event of one event loop, which others set."""

    def __init__(self) -> None:
        self._is_set = False
        self._loop: Any = None
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        """Wait until it is set. Only one event loop may do so."""
        self._loop, self._event = event_loop.current_loop(), anyio.Event()
        if not self._is_set:
            with anyio.fail_after(LONG):  # without a deadline an event loop under virtual time waits in real time
                await self._event.wait()

    def set(self) -> None:
        """Set it."""
        self._is_set = True
        if self._event is not None:
            event_loop.call_soon(self._loop, self._event.set)


class _Run:
    def __init__(self, play: Play, scheduler: Scheduler, loops: int) -> None:
        self._play = play
        self._scheduler = scheduler
        self._tasks: list[list[tuple[Task, Body]]] = [[] for _ in range(loops)]
        self._loops: list[Any] = [None] * loops
        self._start_tasks = [Signal() for _ in range(loops)]
        self._end = [Signal() for _ in range(loops)]
        self._tasks_ended = Signal()
        self._unfinished = 0

    def stepped(self, run: Callable[[asyncio.Handle], None]) -> Callable[[asyncio.Handle], None]:
        """Return the method of asyncio that runs a step, followed by what may happen after it."""

        def run_and_choose(handle: asyncio.Handle) -> None:
            run(handle)
            self.after_step()

        return run_and_choose

    def after_step(self) -> None:
        """Let an event happen, and perhaps another event loop continue."""
        self._scheduler.activity += 1
        self._play.after_step()
        self._scheduler.hand_over(self._play.choose_loop(self._scheduler.others()))

    async def main(self, number: int) -> None:
        """Run the tasks of one event loop. The first one also begins and ends the world."""
        self._loops[number] = event_loop.current_loop()
        if number:
            await self._start_tasks[number].wait()
            with anyio.move_on_after(LONG):  # of tasks that never end
                await self._run_tasks(number)
            await self._end[number].wait()
            return
        try:
            await self._play.run(self._start, self._join)
        finally:
            for signal in (*self._start_tasks, *self._end):
                signal.set()

    def _start(self, task: Task, body: Body) -> None:
        self._tasks[task.number % len(self._tasks)].append((task, body))
        self._unfinished += 1

    async def _join(self) -> None:
        for signal in self._start_tasks:
            signal.set()
        await self._run_tasks(0)
        await self._tasks_ended.wait()

    async def _run_tasks(self, number: int) -> None:
        async with anyio.create_task_group() as tasks:
            for task, body in self._tasks[number]:
                tasks.start_soon(self._run_task, number, task, body, name=task.name)

    async def _run_task(self, number: int, task: Task, body: Body) -> None:
        try:
            with anyio.CancelScope() as scope:
                task.cancel = partial(self._cancel, number, scope)
                await body(task)
        finally:
            self._unfinished -= 1
            if not self._unfinished:
                self._tasks_ended.set()

    def _cancel(self, number: int, scope: anyio.CancelScope) -> None:
        if number == self._scheduler.current:
            scope.cancel()
        else:
            event_loop.call_soon(self._loops[number], scope.cancel)
