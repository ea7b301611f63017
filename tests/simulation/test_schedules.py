"""Two thousand random schedules: each has the outcome of the model, and the same one on trio and asyncio."""

from __future__ import annotations

import hashlib
import itertools
from functools import cache
from typing import NamedTuple

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, Clock, Credentials, CredentialsError, NotConfiguredError, RetrievalError
from anycreds.testing import VIRTUAL_BACKENDS, VirtualClock, virtual_backend
from simulation.model import Call, Got, Model, Schedule, draw
from support.fake_source import make_credentials

SEEDS = 2000
END = 150.0  # the last call is made at 60 and may wait for a refresh of a minute, and then for another


class Source:
    """A source that follows a schedule, call by call."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        self._responses = schedule.responses
        self._clock = clock
        self._started = anyio.current_time()
        self._issued = 0
        self._last: Credentials | None = None
        self.calls: list[float] = []
        self.running = 0
        self.most_concurrent = 0

    async def __call__(self) -> Credentials:
        response = self._responses[len(self.calls)]
        self.calls.append(round(anyio.current_time() - self._started, 6))
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


class Run:
    """Runs one schedule on the event loop."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._started = anyio.current_time()
        clock = VirtualClock()
        self._source = Source(schedule, clock)
        self._provider: CachedProvider = anycreds.cached(self._source, clock=clock)
        self._returned: Credentials | None = None
        self._got: dict[int, Got] = {}

    async def run(self) -> Outcome:
        with anyio.move_on_after(END * 2):
            async with anyio.create_task_group() as tasks:
                for number, call in enumerate(self._schedule.calls):
                    tasks.start_soon(self._call, number, call)
                for at in self._schedule.invalidations:
                    tasks.start_soon(self._invalidate, at)
        if self._provider._state._refreshes:
            await anyio.sleep(END)  # for a refresh that no caller waits for
        return Outcome(
            self._got, self._source.calls, self._source.most_concurrent, len(self._provider._state._refreshes)
        )

    async def _call(self, number: int, call: Call) -> None:
        await anyio.sleep(call.at)
        what, which = "cancelled", 0
        with anyio.move_on_after(float("inf") if call.deadline is None else call.deadline):
            try:
                self._returned = await self._provider()
            except CredentialsError as error:
                what = type(error).__name__
            else:
                what, which = "credentials", int(self._returned.access_key_id.removeprefix("AKID"))
        self._got[number] = (what, which, round(anyio.current_time() - self._started, 6))

    async def _invalidate(self, at: float) -> None:
        await anyio.sleep(at)
        if self._returned is not None:
            self._provider.invalidate(self._returned)


async def _run_schedules() -> list[Outcome]:
    return [await Run(draw(seed)).run() for seed in range(SEEDS)]


@cache
def run_all(backend: str) -> list[Outcome]:
    name, options = virtual_backend(backend)
    return anyio.run(_run_schedules, backend=name, backend_options=options)


@cache
def expected() -> list[Model]:
    return [Model(draw(seed)).run() for seed in range(SEEDS)]


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_each_schedule_has_the_outcome_of_the_model(backend: str) -> None:
    """Which caller gets what at which time, and when the source is called, is exactly what the model computes."""
    for seed, (real, model) in enumerate(zip(run_all(backend), expected(), strict=True)):
        wanted = {number: (what, which, round(at, 6)) for number, (what, which, at) in model.got.items()}
        assert real.got == wanted, seed
        assert real.calls == [round(at, 6) for at in model.calls], seed


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_every_caller_ends_and_no_refresh_remains(backend: str) -> None:
    """Every caller ends in time; of a healthy source each gets credentials within one call; no refresh remains."""
    for seed, real in enumerate(run_all(backend)):
        schedule = draw(seed)
        assert len(real.got) == len(schedule.calls), seed
        assert real.refreshes_remaining == 0, seed
        if schedule.is_healthy:
            (latency, _, _) = schedule.responses[0]
            for number, call in enumerate(schedule.calls):
                what, _, at = real.got[number]
                assert at - call.at <= latency + 1e-6, seed
                assert what == ("credentials" if call.deadline is None or call.deadline > latency else what), seed


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_there_is_one_call_at_a_time(backend: str) -> None:
    """No source is called twice at the same time, or within a second after a response; a healthy one is called once."""
    for seed, real in enumerate(run_all(backend)):
        assert real.most_concurrent == 1, seed
        schedule = draw(seed)
        if schedule.is_healthy:
            assert len(real.calls) == 1, seed
        for number, (before, after) in enumerate(itertools.pairwise(real.calls)):
            if schedule.responses[number].kind != "not configured":  # an attempt without a call
                assert after - before >= 1.0, seed


def test_both_backends_agree() -> None:
    """The outcome of every schedule is the same on trio and asyncio, to the microsecond."""
    first, second = (
        [hashlib.sha256(repr((sorted(one.got.items()), one.calls)).encode()).hexdigest() for one in run_all(backend)]
        for backend in VIRTUAL_BACKENDS
    )
    assert first == second


def test_every_kind_of_outcome_is_frequent() -> None:
    """Every kind of outcome occurs often in the schedules, so that their agreement proves something."""
    outcomes = [what for model in expected() for what, _, _ in model.got.values()]
    for what in ("credentials", "cancelled", "RetrievalError", "NotConfiguredError", "ProviderTimeoutError"):
        assert outcomes.count(what) > 200, what
    assert sum(len(model.calls) > 3 for model in expected()) > SEEDS / 4
