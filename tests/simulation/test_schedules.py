"""Random schedules of calls and responses: each has the outcome of the model, on trio and on asyncio."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, Clock, Credentials, CredentialsError, NotConfiguredError, RetrievalError
from anycreds.testing import VIRTUAL_BACKENDS, VirtualClock, virtual_backend
from simulation.model import Call, Got, Model, Schedule, draw
from support.budget import Budget
from support.fake_source import make_credentials
from support.goals import RecordGoal
from support.history import History, problems
from support.seeded_trio import seeded_trio

SCHEDULES = 100
REPEATED = 2_000  # of them run again, to see that the same happens
END = 150.0  # the last call is made at 60 and may wait for a refresh of a minute, and then for another


class Source:
    """A source that follows a schedule, call by call."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        self._responses = schedule.responses
        self._clock = clock
        self._started = clock.monotonic()
        self._issued = 0
        self._last: Credentials | None = None
        self.calls: list[float] = []
        self.running = 0
        self.most_concurrent = 0

    async def __call__(self) -> Credentials:
        response = self._responses[len(self.calls)]
        self.calls.append(round(self._clock.monotonic() - self._started, 6))
        self.running += 1
        self.most_concurrent = max(self.most_concurrent, self.running)
        try:
            await anyio.sleep(1e9 if response.kind == "hang" else response.latency)
        finally:
            self.running -= 1
        now = self._clock.time()
        if response.kind == "fail":
            raise RetrievalError("down")
        if response.kind == "not configured":
            raise NotConfiguredError("nothing configured")
        if response.kind == "expired":
            return make_credentials("expired", now - 1)
        last = self._last
        if response.kind == "new" or last is None or (last.expiration and last.expiration.timestamp() <= now):
            self._issued += 1
            self._last = last = make_credentials(str(self._issued), now + response.lifetime)
        return last


class Outcome(NamedTuple):
    """The outcome of a schedule."""

    got: dict[int, Got]
    calls: list[float]
    most_concurrent: int
    refreshes_remaining: int
    history: History


class Run:
    """Runs one schedule, on one event loop or on several ones."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock
        self._started = clock.monotonic()
        self._source = Source(schedule, clock)
        self._history = History(clock)
        self._provider: CachedProvider = anycreds.cached(self._history.recorded(self._source), clock=clock)
        self._returned: Credentials | None = None
        self._got: dict[int, Got] = {}

    async def run(self, part: int = 0, parts: int = 1) -> None:
        """Run the whole schedule, or one of several parts, each in an event loop of its own."""
        with anyio.move_on_after(END * 2):
            async with anyio.create_task_group() as tasks:
                for number, call in list(enumerate(self._schedule.calls))[part::parts]:
                    tasks.start_soon(self._call, number, call)
                for at in self._schedule.invalidations[part::parts]:
                    tasks.start_soon(self._invalidate, at)
        if parts > 1 or self._provider._state.refreshes._own:
            await anyio.sleep(END)  # for a refresh that no caller here waits for

    def outcome(self) -> Outcome:
        """Return what has happened."""
        return Outcome(
            self._got,
            self._source.calls,
            self._source.most_concurrent,
            len(self._provider._state.refreshes._own),
            self._history,
        )

    async def _call(self, number: int, call: Call) -> None:
        await anyio.sleep(call.at)
        what, which = "cancelled", 0
        with anyio.move_on_after(float("inf") if call.deadline is None else call.deadline):
            try:
                self._returned = await self._history.call(self._provider)
            except CredentialsError as error:
                what = type(error).__name__
            else:
                what, which = "credentials", int(self._returned.access_key_id.removeprefix("AKID"))
        self._got[number] = (what, which, round(self._clock.monotonic() - self._started, 6))

    async def _invalidate(self, at: float) -> None:
        await anyio.sleep(at)
        if self._returned is not None:
            self._history.invalidate(self._provider, self._returned)


def run(backend: str, schedules: list[Schedule], budget: Budget) -> list[Outcome]:
    """Return the outcome of each schedule."""
    name, options = virtual_backend(backend)
    with seeded_trio(budget.seed):
        return anyio.run(_outcomes, schedules, backend=name, backend_options=options)


async def _outcomes(schedules: list[Schedule]) -> list[Outcome]:
    outcomes = []
    for schedule in schedules:
        one = Run(schedule, VirtualClock())
        await one.run()
        outcomes.append(one.outcome())
    return outcomes


def schedules(budget: Budget) -> list[Schedule]:
    """Return random schedules. Every other one is the busiest of ten: it uses the rules that rarely apply."""
    rng = budget.random()
    groups = [[draw(rng) for _ in range(1 if number % 2 else 10)] for number in range(budget.count(SCHEDULES))]
    return [max(group, key=lambda schedule: len(Model(schedule).run().calls)) for group in groups]


@pytest.mark.goal("G2", scale=100)
@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_each_schedule_has_the_outcome_of_the_model(backend: str, budget: Budget, goal: RecordGoal) -> None:
    """Which caller gets what at which time, and when the source is called, is what the model computes, on both loops.

    Every caller ends and no refresh remains. No source is called twice at the same time, or within a second after a
    response. A healthy source is called once, and each caller gets its credentials within that call. The history of the
    callers is one of a correct cache. With the same seed everything happens again, in the same order.
    """
    drawn = schedules(budget)
    outcomes, repeated = run(backend, drawn, budget), run(backend, drawn[:REPEATED], budget)
    wanted = list(map(expected, drawn))
    goal(
        "G2",
        "{schedules} schedules: {endless} calls without an end, {stuck} refreshes left, at most {concurrent:.0f} call "
        "at a time, {calls} calls in {healthy} schedules with a healthy source, {others} outcomes unlike the model's",
        "{schedules} of 20,000, half of them on each event loop",
        schedules=len(drawn),
        endless=sum(len(schedule.calls) - len(real.got) for schedule, real in zip(drawn, outcomes, strict=True)),
        stuck=sum(real.refreshes_remaining for real in outcomes),
        concurrent=float(max(real.most_concurrent for real in outcomes)),
        calls=sum(len(real.calls) for schedule, real in zip(drawn, outcomes, strict=True) if schedule.is_healthy),
        healthy=sum(schedule.is_healthy for schedule in drawn),
        others=sum((real.got, real.calls) != model for real, model in zip(outcomes, wanted, strict=True)),
    )
    for number, again in enumerate(repeated):
        assert again.history.events() == outcomes[number].history.events(), number
    for number, (schedule, real) in enumerate(zip(drawn, outcomes, strict=True)):
        assert (real.got, real.calls) == wanted[number], number
        assert len(real.got) == len(schedule.calls), number
        assert problems(real.history) == [], number
        assert (real.most_concurrent, real.refreshes_remaining) == (1, 0), number
        for response, (before, after) in zip(schedule.responses, itertools.pairwise(real.calls), strict=False):
            assert after - before >= 1.0 or response.kind == "not configured", number  # an attempt without a call
        if schedule.is_healthy:
            check_healthy(schedule, real, number)


def expected(schedule: Schedule) -> tuple[dict[int, Got], list[float]]:
    """Return what the model computes: what each caller gets, and when the source is called."""
    model = Model(schedule).run()
    got = {caller: (what, which, round(at, 6)) for caller, (what, which, at) in model.got.items()}
    return got, [round(at, 6) for at in model.calls]


def check_healthy(schedule: Schedule, real: Outcome, number: int) -> None:
    """Check that one call of the source serves every caller whose deadline is later."""
    assert len(real.calls) == 1, number
    latency = schedule.responses[0].latency
    for caller, call in enumerate(schedule.calls):
        what, _, at = real.got[caller]
        assert at - call.at <= latency + 1e-6, number
        assert what == ("credentials" if call.deadline is None or call.deadline > latency else what), number


def test_every_kind_of_outcome_is_frequent(budget: Budget) -> None:
    """Every kind of outcome occurs often in the schedules, so that their agreement proves something."""
    models = [Model(schedule).run() for schedule in schedules(budget)]
    outcomes = [what for model in models for what, _, _ in model.got.values()]
    for what in ("credentials", "cancelled", "RetrievalError", "NotConfiguredError", "ProviderTimeoutError"):
        assert outcomes.count(what) > len(models) / 10, what
    assert sum(len(model.calls) > 3 for model in models) > len(models) / 4
