"""Threads around the lock of a cache: they are switched at its bytecode instructions, as schedules say.

Each thread runs an event loop of its own under virtual time, with the real cache. Whatever the schedule, every caller
gets what a correct cache returns (``support.history``), there is one call in progress at most, no thread is stuck, and
the cache works afterwards. If the clock is advanced while an event loop is asked whether it goes on, it does not answer
in time, and each event loop has at most one call in progress. A failure names the schedule, which ``play`` repeats.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

import anycreds
from anycreds import Credentials, LifetimeTooShortError, RetrievalError
from anycreds._cache import state
from anycreds._cache.refresh_windows import ClockReading
from anycreds._cache.state import CacheState
from anycreds.testing import VIRTUAL_BACKENDS, ManualClock
from support.budget import Budget
from support.fake_source import make_credentials
from support.goals import RecordGoal
from support.history import History, problems
from support.interleaved_loops import interleaved_backend
from support.interleaving import ControlledLock, Schedule, Scheduler
from support.seeded_trio import seeded_trio

TRACED = str(Path(state.__file__).parent)
# A refresh gets its number in the instant before it asks the source. A thread that stops just between these two for as
# long as a whole exchange takes is left out.
ATOMIC = ("_begin_attempt", "unwanted", "_outcome_of_attempt", "_attempt_now")
# How many schedules of each scenario and backend a change tries. There are 300 to 1,600 with one switch.
ONE_SWITCH, MORE_SWITCHES = 12, 8
PATIENCE = 100.0  # virtual seconds: more than an attempt may take


class Threads(NamedTuple):
    """What several threads do at the same time with one cache."""

    name: str
    programs: tuple[str, ...]  # of each thread: the names of methods of ``Play``
    warm: bool = False  # whether the cache has credentials before
    failures: int = 0  # so many calls of the source fail first
    most_calls: int | None = None  # of the source, if that is known
    latency: float = 0.01  # of the source

    @property
    def may_stand_still(self) -> bool:
        """Whether time passes while an event loop does not answer, so that others do not wait for its refresh."""
        return any(word in program for program in self.programs for word in ("late", "expire", "stand"))


SCENARIOS = (
    Threads("a source that responds at once", ("pair", "pair"), most_calls=1, latency=0.0),
    Threads("cold", ("pair", "pair"), most_calls=1),
    Threads("cold with three threads", ("call call", "pair", "call"), most_calls=1),
    Threads("loops that end during a refresh", ("leave", "leave", "call call")),
    Threads("loops that stand still", ("call", "stand call", "pair")),
    Threads("hits while credentials are rejected", ("call call call call", "reject"), warm=True),
    Threads("both reject", ("reject", "reject"), warm=True),
    Threads("a refresh while credentials are rejected", ("pair", "call reject", "call")),
    Threads("background refreshes", ("late call call", "call call"), warm=True, most_calls=2),
    Threads("expired", ("expire pair", "reject", "pair"), warm=True),
    Threads("the source fails at first", ("call call", "call call"), failures=1),
    Threads("forced refreshes", ("force call", "call reject"), warm=True),
    Threads("longer lifetimes", ("late long", "long reject", "call"), warm=True),
    Threads("blocks", ("block", "call reject"), warm=True),
)


class Play:
    """One scenario under one schedule."""

    def __init__(self, scenario: Threads, schedule: Schedule, traced: str | tuple[str, ...] = TRACED) -> None:
        self.scenario = scenario
        self.scheduler = Scheduler(schedule, traced, ATOMIC)
        self._numbers = itertools.count(1)
        self._running: set[int] = set()
        self._clock = ManualClock()
        self.history = History(self._clock)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(state, "threading", self.scheduler.threading)
            self._provider = anycreds.cached(self.history.recorded(self._source), clock=self._clock)

    def run(self, backend: str) -> list[str]:
        """Run all threads, and return what is wrong."""
        with seeded_trio(1):
            return self._run(backend)

    def _run(self, backend: str) -> list[str]:
        if self.scenario.warm:
            self._in_loop(backend, ["call"])
        before = len(self.history.issues)
        self.scheduler.run([partial(self._in_loop, backend, program.split()) for program in self.scenario.programs])
        found = [repr(error) for error in self.scheduler.errors]
        most = self.scenario.most_calls
        calls = len(self.history.issues) - before
        if most is not None and calls > most:
            found.append(f"{calls} calls of the source")
        self._in_loop(backend, ["last"])
        if self._provider._state.refreshes._own or self._running:
            found.append("a refresh remains")
        return found + problems(self.history)

    def _in_loop(self, backend: str, program: list[str]) -> None:
        async def main() -> None:
            with anyio.fail_after(PATIENCE):
                for name in program:
                    step: Callable[[], Awaitable[object]] = getattr(self, name)
                    await step()

        name, options = interleaved_backend(backend, self.scheduler)
        anyio.run(main, backend=name, backend_options=options)

    async def _source(self) -> Credentials:
        loop = threading.get_ident()
        assert loop not in self._running, "two calls at once in one event loop"
        assert not self._running or self.scenario.may_stand_still, "two calls at once"
        self._running.add(loop)
        number = next(self._numbers)
        try:
            await anyio.sleep(self.scenario.latency)
        finally:
            self._running.remove(loop)
        if number <= self.scenario.failures:
            raise RetrievalError("down")
        return make_credentials(str(number), self._clock.time() + 3600)

    async def call(self) -> Credentials | None:
        try:
            return await self.history.call(self._provider)
        except RetrievalError:
            assert self.scenario.failures, "an error of a healthy source"
            return None

    async def last(self) -> None:
        """Call after everything else, and after every backoff."""
        self._clock.advance(60.0)
        assert await self.call() is not None

    async def pair(self) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.call)
            tasks.start_soon(self.call)

    async def reject(self) -> None:
        rejected = await self.call()
        if rejected is not None and self.history.invalidate(self._provider, rejected):
            assert await self.call() != rejected

    async def leave(self) -> None:
        with anyio.move_on_after(0.005):
            await self.call()

    async def stand(self) -> None:
        self._clock.advance(3.0)

    async def late(self) -> None:
        self._clock.advance(50 * 60.0)

    async def expire(self) -> None:
        self._clock.advance(3600.0)

    async def force(self) -> None:
        await self._provider(refresh=True)

    async def long(self) -> None:
        try:
            credentials = await self._provider(min_ttl=30 * 60.0)
        except LifetimeTooShortError:
            return
        assert credentials.expiration is not None
        assert credentials.expiration.timestamp() - self._clock.time() >= 0

    async def block(self) -> None:
        async with self._provider.keep_fresh() as fresh:
            with suppress(RetrievalError):  # the other thread has just invalidated them
                assert fresh.credentials.access_key_id.startswith("AKID")
            await anyio.sleep(0.005)


def play(scenario: Threads, backend: str, schedule: Schedule, traced: str | tuple[str, ...] = TRACED) -> int:
    """Run a scenario under a schedule, and fail if something is wrong. Return the number of steps."""
    one = Play(scenario, schedule, traced)
    wrong = one.run(backend)
    assert wrong == [], f"play(SCENARIOS[{SCENARIOS.index(scenario)}], {backend!r}, {schedule})"
    return one.scheduler.steps


def with_one_switch(scenario: Threads, backend: str) -> list[Schedule]:
    """Return all schedules with one switch."""
    steps, threads = play(scenario, backend, ()), len(scenario.programs)
    return [((step, further),) for step in range(1, steps + 1) for further in range(1, threads)]


def schedules(scenario: Threads, backend: str, budget: Budget) -> Iterator[Schedule]:
    """Yield a schedule without a switch, a sample of those with one, and random ones with two or three."""
    yield ()
    ones = with_one_switch(scenario, backend)
    yield from budget.sample(ones, ONE_SWITCH)
    chance = budget.random(scenario.name, backend)
    for number in range(budget.count(MORE_SWITCHES)):
        switches = (chance.choice(ones)[0] for _ in range(2 + number % 2))
        yield tuple(sorted(switches))


@pytest.mark.fault("C05", "C15", "S23")
@pytest.mark.goal("G12", scale=30)
@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_every_schedule_of_threads_serves_all_callers(
    scenario: Threads, backend: str, budget: Budget, goal: RecordGoal
) -> None:
    """Wherever threads are switched, every caller gets what a correct cache returns, and no thread is stuck."""
    count = 0
    for schedule in schedules(scenario, backend, budget):
        play(scenario, backend, schedule)
        count += 1
    figure = (
        "{schedules} schedules of 2 or 3 threads, switched at any access to the state of the cache: 0 wrong, 0 stuck"
    )
    goal("G12", figure, "{schedules} schedules", schedules=count)


def test_schedule_of_threads_repeats_exactly(budget: Budget) -> None:
    """A schedule that runs again has the same events in the same order."""
    chance = budget.random()
    for scenario in SCENARIOS:
        for backend in VIRTUAL_BACKENDS:
            schedule = tuple(sorted((chance.randrange(1, 1500), 1) for _ in range(3)))
            plays = [Play(scenario, schedule) for _ in range(2)]
            assert [one.run(backend) for one in plays] == [[], []]
            assert plays[0].history.events() == plays[1].history.events(), (scenario.name, backend, schedule)


class NoLock(ControlledLock):
    """Planted: a lock that lets every thread in."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *error: object) -> None:
        pass


def publish_in_two_steps(cache: CacheState, now: ClockReading, *, is_refreshing: bool = False) -> None:
    """Planted: publish the bounds of the fast path first, and then the credentials."""
    cached = cache.snapshot.cached
    if cached is not None:
        cache.fast_path = (now.wall, now.wall + 60.0, *cache.fast_path[2:])
        cache.fast_path = (*cache.fast_path[:2], cached.credentials, cache.fast_path[3])


@pytest.mark.parametrize(
    ("owner", "name", "planted"),
    [
        (Scheduler, "Lock", NoLock),
        (CacheState, "_update_fast_path", publish_in_two_steps),
    ],
)
def test_planted_race_is_found(
    owner: type, name: str, planted: object, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache without its lock, and one that publishes in two steps, fail under some schedule with one switch."""
    monkeypatch.setattr(owner, name, planted)
    fast = SCENARIOS[0]
    assert _is_right(fast, ())
    ones = with_one_switch(fast, "asyncio")
    budget.random().shuffle(ones)
    assert not all(_is_right(fast, schedule) for schedule in ones)


def _is_right(scenario: Threads, schedule: Schedule) -> bool:
    try:
        play(scenario, "asyncio", schedule, (TRACED, __file__))  # what is planted, too
    except AssertionError:
        return False
    return True
