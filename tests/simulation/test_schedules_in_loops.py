"""Random schedules whose callers are in several event loops, each in a thread: the outcome is that of one event loop.

So the model needs no rule for event loops. All of them have one virtual time.
"""

from __future__ import annotations

import itertools
from functools import partial

import anyio
import pytest

from anycreds.testing import ManualClock
from simulation.model import Schedule
from support.budget import Budget
from support.goals import RecordGoal
from support.history import problems
from support.interleaved_loops import interleaved_backend
from support.interleaving import Scheduler
from support.seeded_trio import seeded_trio

from .test_schedules import Outcome, Run, check_healthy, expected, schedules

# The event loops of a schedule, which take its callers in turn.
LOOPS = (("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio", "asyncio"))
SCHEDULES = 0.04  # of those that run in one event loop


def run_in_loops(schedule: Schedule, backends: tuple[str, ...]) -> Outcome:
    """Return the outcome of a schedule."""
    scheduler = Scheduler((), "no file")
    one = Run(schedule, ManualClock(source=lambda: scheduler.now))

    def run_part(part: int) -> None:
        name, options = interleaved_backend(backends[part], scheduler)
        anyio.run(one.run, part, len(backends), backend=name, backend_options=options)

    scheduler.run([partial(run_part, part) for part in range(len(backends))])
    assert scheduler.errors == []
    return one.outcome()


@pytest.mark.fault("C05")
@pytest.mark.goal("G12", scale=20)
@pytest.mark.parametrize("backends", LOOPS, ids="-".join)
def test_callers_in_several_loops_have_the_outcome_of_one(
    backends: tuple[str, ...], budget: Budget, goal: RecordGoal
) -> None:
    """Which caller gets what at which time, and when the source is called, does not depend on its event loop."""
    drawn = schedules(budget)
    drawn = drawn[: max(1, int(len(drawn) * SCHEDULES))]
    with seeded_trio(budget.seed):
        outcomes = [run_in_loops(schedule, backends) for schedule in drawn]
    goal("G12", "{schedules} schedules of callers in 2 or 3 event loops: the outcome of one", schedules=len(drawn))
    for number, (schedule, real) in enumerate(zip(drawn, outcomes, strict=True)):
        assert (real.got, real.calls) == expected(schedule), number
        assert problems(real.history) == [], number
        assert (real.most_concurrent, real.refreshes_remaining) == (1, 0), number
        for response, (before, after) in zip(schedule.responses, itertools.pairwise(real.calls), strict=False):
            assert after - before >= 1.0 or response.kind == "not configured", number
        if schedule.is_healthy:
            check_healthy(schedule, real, number)
