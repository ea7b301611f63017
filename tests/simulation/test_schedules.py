"""Two thousand random schedules: each goes as a plain model of the design says, and the same on trio and asyncio."""

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
from simulation.model import Ask, Got, Model, Schedule, draw
from support.fake_source import make_credentials

SEEDS = 2000
END = 150.0  # the last caller asks at 60, may wait for a flight of a minute, and then for another


class Source:
    """Does what the schedule says, call by call."""

    def __init__(self, schedule: Schedule, clock: Clock) -> None:
        self._answers = schedule.answers
        self._clock = clock
        self._begun = anyio.current_time()
        self._issued = 0
        self._last: Credentials | None = None
        self.calls: list[float] = []
        self.running = 0
        self.most_in_the_air = 0

    async def __call__(self) -> Credentials:
        answer = self._answers[len(self.calls)]
        self.calls.append(round(anyio.current_time() - self._begun, 6))
        self.running += 1
        self.most_in_the_air = max(self.most_in_the_air, self.running)
        try:
            await anyio.sleep(1e9 if answer.kind == "hang" else answer.latency)
        finally:
            self.running -= 1
        now = self._clock.time()
        if answer.kind == "fail":
            raise RetrievalError("down")
        if answer.kind == "missing":
            raise NotConfiguredError("nothing there")
        if answer.kind == "dead":
            return make_credentials("dead", now - 1)
        last = self._last
        if answer.kind == "new" or last is None or (last.expiration and last.expiration.timestamp() <= now):
            self._issued += 1
            self._last = last = make_credentials(str(self._issued), now + answer.life)
        return last


class Played(NamedTuple):
    """How a schedule went."""

    got: dict[int, Got]
    calls: list[float]
    most_in_the_air: int
    left_over: int


class Play:
    """One schedule, on the event loop."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._begun = anyio.current_time()
        clock = VirtualClock()
        self._source = Source(schedule, clock)
        self._provider: CachedProvider = anycreds.cached(self._source, clock=clock)
        self._served: Credentials | None = None
        self._got: dict[int, Got] = {}

    async def play(self) -> Played:
        with anyio.move_on_after(END * 2):
            async with anyio.create_task_group() as tasks:
                for number, ask in enumerate(self._schedule.asks):
                    tasks.start_soon(self._ask, number, ask)
                for at in self._schedule.drops:
                    tasks.start_soon(self._drop, at)
        if self._provider._state._refreshes:
            await anyio.sleep(END)  # for a refresh that no caller waits for
        return Played(
            self._got, self._source.calls, self._source.most_in_the_air, len(self._provider._state._refreshes)
        )

    async def _ask(self, number: int, ask: Ask) -> None:
        await anyio.sleep(ask.at)
        what, which = "left", 0
        with anyio.move_on_after(float("inf") if ask.deadline is None else ask.deadline):
            try:
                self._served = await self._provider()
            except CredentialsError as error:
                what = type(error).__name__
            else:
                what, which = "set", int(self._served.access_key_id.removeprefix("AKID"))
        self._got[number] = (what, which, round(anyio.current_time() - self._begun, 6))

    async def _drop(self, at: float) -> None:
        await anyio.sleep(at)
        if self._served is not None:
            self._provider.invalidate(self._served)


async def _play_all() -> list[Played]:
    return [await Play(draw(seed)).play() for seed in range(SEEDS)]


@cache
def played(backend: str) -> list[Played]:
    name, options = virtual_backend(backend)
    return anyio.run(_play_all, backend=name, backend_options=options)


@cache
def expected() -> list[Model]:
    return [Model(draw(seed)).play() for seed in range(SEEDS)]


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_each_schedule_goes_as_the_model_says(backend: str) -> None:
    """Who gets which set or which error at what second, and when the source is called, is just what the design says."""
    for seed, (real, model) in enumerate(zip(played(backend), expected(), strict=True)):
        wanted = {number: (what, which, round(at, 6)) for number, (what, which, at) in model.got.items()}
        assert real.got == wanted, seed
        assert real.calls == [round(at, 6) for at in model.calls], seed


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_nobody_is_stuck_and_nobody_starves(backend: str) -> None:
    """Every caller comes to an end; who was served or refused got it by the end of one flight; nothing stays behind."""
    for seed, real in enumerate(played(backend)):
        schedule = draw(seed)
        assert len(real.got) == len(schedule.asks), seed
        assert real.left_over == 0, seed
        if schedule.is_healthy:
            (latency, _, _) = schedule.answers[0]
            for number, ask in enumerate(schedule.asks):
                what, _, at = real.got[number]
                assert at - ask.at <= latency + 1e-6, seed
                assert what == ("set" if ask.deadline is None or ask.deadline > latency else what), seed


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_there_is_one_call_at_a_time(backend: str) -> None:
    """A healthy source is called once; no source is ever called twice at once, or twice in a second after an answer."""
    for seed, real in enumerate(played(backend)):
        assert real.most_in_the_air == 1, seed
        schedule = draw(seed)
        if schedule.is_healthy:
            assert len(real.calls) == 1, seed
        for number, (before, after) in enumerate(itertools.pairwise(real.calls)):
            if schedule.answers[number].kind != "missing":  # that is no call: there was nobody to be called
                assert after - before >= 1.0, seed


def test_both_backends_agree() -> None:
    """The outcome of every schedule is the same on trio and asyncio, to the microsecond."""
    first, second = (
        [hashlib.sha256(repr((sorted(one.got.items()), one.calls)).encode()).hexdigest() for one in played(backend)]
        for backend in VIRTUAL_BACKENDS
    )
    assert first == second


def test_the_schedules_are_worth_it() -> None:
    """Among the schedules each kind of outcome is frequent, so that agreeing on them means something."""
    outcomes = [what for model in expected() for what, _, _ in model.got.values()]
    for what in ("set", "left", "RetrievalError", "NotConfiguredError", "ProviderTimeoutError"):
        assert outcomes.count(what) > 200, what
    assert sum(len(model.calls) > 3 for model in expected()) > SEEDS / 4
