"""Event loops in the threads of a ``Scheduler``, with one virtual time for all of them.

While one of them has something to do, no time passes. Then it passes for the loop with the earliest deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio
import trio.testing

from anycreds.testing import VirtualLoop

from .interleaving import Scheduler


def interleaved_backend(
    name: str, scheduler: Scheduler, after_trio_step: Callable[[], object] = lambda: None
) -> tuple[str, dict[str, Any]]:
    """Return an anyio backend for one event loop in a thread of the scheduler."""
    return name, _asyncio_options(scheduler) if name == "asyncio" else _trio_options(scheduler, after_trio_step)


def _asyncio_options(scheduler: Scheduler) -> dict[str, Any]:
    class Loop(VirtualLoop):
        def time(self) -> float:
            return scheduler.now

        def _jump(self, seconds: float) -> None:
            later = scheduler.now + seconds
            later = max(later, round(later, 9))  # see VirtualLoop
            self._clock_resolution = max(1e-9, math.ulp(later))
            scheduler.idle(later)

        def _process_events(self, event_list: list[Any]) -> None:
            scheduler.activity += bool(event_list)
            super()._process_events(event_list)  # type: ignore[misc]

    return {"loop_factory": Loop}


class _Steps(trio.abc.Instrument):
    def __init__(self, scheduler: Scheduler, after_step: Callable[[], object]) -> None:
        self._scheduler = scheduler
        self._after_step = after_step

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._scheduler.activity += 1
        self._after_step()


def _trio_options(scheduler: Scheduler, after_step: Callable[[], object]) -> dict[str, Any]:
    clock: Any = trio.testing.MockClock(autojump_threshold=0)
    clock.current_time = lambda: scheduler.now
    clock._autojump = lambda: scheduler.idle(trio._core._run.GLOBAL_RUN_CONTEXT.runner.deadlines.next_deadline())
    return {"clock": clock, "instruments": [_Steps(scheduler, after_step)]}
