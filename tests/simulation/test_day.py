"""A day in a second: short and long lifetimes, faults, outages and a wall clock that is set.

Only the machine's wall clock is set; the clock of the service is always right.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Iterator
from functools import partial

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from anycreds._config.shared_files import FileOptions, SharedFiles
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext
from anycreds._providers.container.provider import ContainerProvider
from anycreds._providers.container.settings import container_options
from anycreds._providers.imds.provider import InstanceMetadataProvider
from anycreds._providers.imds.settings import ImdsOptions
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import (
    VIRTUAL_BACKENDS,
    Body,
    Delay,
    Drip,
    Expired,
    FakeAWS,
    Fault,
    Flood,
    Forever,
    HalfBody,
    Hang,
    MemoryNetwork,
    Raw,
    ResetAfter,
    Status,
    VirtualClock,
    virtual_backend,
)
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget
from support.goals import RecordGoal
from support.history import History, problems
from support.seeded_trio import seeded_trio

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.weak_error_references,
]  # thousands of errors of few kinds, which other tests search

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0
LIFETIMES = (15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
FAULTS: tuple[Fault, ...] = (
    Status(500), Status(503), Status(429), Status(403), Body(b"null"), Body(b"<html>"), Raw(b"?"), HalfBody(), Hang(),
    ResetAfter(0), ResetAfter(100), Drip(b" ", 0.3), Flood(), Expired(10.0),
)  # fmt: skip
NO_FAULT = Delay(0.0)
RATES = (0.0, 0.001, 0.01, 0.1)  # of faults; another one each hour
OUTAGE = (Forever(Hang()), Forever(Status(503)), Forever(ResetAfter(3)))
STEPS = (-2 * HOUR, -MINUTE, -1.0, 1.0, MINUTE, 10 * MINUTE, 2 * HOUR)


class Recorder:
    """Records all credentials that the cache got, with their expiration by both clocks, to know which are valid."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.history = History(clock)
        self.received: list[tuple[Credentials, float]] = []
        self.called_at: list[float] = []
        self.recorded = self.returned = self.failed = self.stale = 0
        self.unmarked = self.needless = 0

    async def fetch(self, fetched: Awaitable[Credentials]) -> Credentials:
        """Record a call of the source, and what it returns."""
        self.called_at.append(self.clock.monotonic())
        asked = self.history.moment()
        credentials = await fetched
        if credentials.original_expiration is None:
            self._record(credentials)
            self.history.record_issue(asked, credentials)
        else:  # the service issued them expired, as far as this machine knows, and the provider extended that
            expired = credentials.replace(expiration=credentials.original_expiration, original_expiration=None)
            self.history.record_issue(asked, expired)
        return credentials

    def _record(self, credentials: Credentials) -> None:
        self.recorded += 1
        if self.has_valid() and credentials.access_key_id == self.received[-1][0].access_key_id:
            return  # the same credentials again keep their expiration
        self.received.append((credentials, self.clock.monotonic() + self.remaining(credentials)))

    def remaining(self, credentials: Credentials) -> float:
        assert credentials.expiration is not None
        return credentials.expiration.timestamp() - self.clock.time()

    def has_valid(self) -> bool:
        """Return whether the credentials that arrived last are still valid: those must be returned."""
        if not self.received:
            return False
        credentials, expiration = self.received[-1]
        return min(self.remaining(credentials), expiration - self.clock.monotonic()) > 0

    async def call(self, provider: anycreds.CachedProvider) -> None:
        """Be one caller, and check what it gets."""
        try:
            credentials = await self.history.call(provider)
        except CredentialsError:
            self.failed += 1
            self.needless += self.has_valid()
            assert not self.has_valid(), "an error while credentials were valid"
            return
        self.returned += 1
        self.unmarked += self.remaining(credentials) <= 0
        assert self.remaining(credentials) > 0, "expired credentials"
        if credentials.original_expiration is not None:
            self.stale += 1
            assert not self.has_valid(), "stale credentials while others were valid"


class Container(ContainerProvider):
    """The real provider, with a recorder."""

    __slots__ = ("recorder",)
    recorder: Recorder

    async def _fetch(self, io: Io, context: ClientContext) -> Credentials:
        return await self.recorder.fetch(super()._fetch(io, context))


class Instance(InstanceMetadataProvider):
    """The real provider, with a recorder."""

    __slots__ = ("recorder",)
    recorder: Recorder

    async def _fetch(self, io: Io, context: ClientContext) -> Credentials:
        return await self.recorder.fetch(super()._fetch(io, context))


class Day:
    """A provider, its service, and what happens to both of them in 24 hours."""

    def __init__(self, kind: str, rng: random.Random) -> None:
        self._random = rng
        self._rate = 0.0
        self._clock, self._service_clock = VirtualClock(), VirtualClock()
        self.recorder = Recorder(self._clock)
        self._aws = FakeAWS(clock=self._service_clock, lifetime=rng.choice(LIFETIMES), sticky=rng.random() < 0.5)
        self._outages = [rng.uniform(HOUR, DAY - HOUR) for _ in range(2)]
        self._steps = sorted(rng.uniform(HOUR, DAY - HOUR) for _ in range(6))
        runtime = SystemRuntime(self._clock)
        self._routes: tuple[str, ...]
        if kind == "container":
            token = self._aws.container_token
            uri = "/v2/credentials/anycreds"
            options = container_options({"relative_uri": uri, "authorization_token": token})
            container = Container(runtime, options)
            container.recorder, self._routes = self.recorder, ("container",)
            self._provider = anycreds.cached(container, clock=self._clock)
        else:
            instance = Instance(runtime, ImdsOptions(), files=SharedFiles(FileOptions()))
            instance.recorder, self._routes = self.recorder, ("token", "role list", "role")
            self._provider = anycreds.cached(instance, clock=self._clock)

    async def run(self) -> Recorder:
        """Call for a day, by several callers every few seconds, and check each result."""
        self._started = anyio.current_time()
        with MemoryNetwork() as network:
            network.serve(self._aws)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._cause_faults)
                for longest in (20.0, 60.0, 120.0):
                    tasks.start_soon(self._call, longest)
            await anyio.sleep(MINUTE)  # for a refresh in progress
            assert network.open == 0
        return self.recorder

    async def _call(self, longest: float) -> None:
        while anyio.current_time() - self._started < DAY:
            await self.recorder.call(self._provider)
            await anyio.sleep(self._random.uniform(0.01, longest))

    async def _cause_faults(self) -> None:
        # The first minute has no faults: without first credentials the checks would prove nothing.
        for minute in range(1, int(DAY / MINUTE)):
            now = minute * MINUTE
            await anyio.sleep_until(self._started + now)
            self._aws.lifetime = self._random.choice(LIFETIMES)
            self._clock.chance = self._random.random()
            if minute % 60 == 1:
                self._rate = self._random.choice(RATES)
            if self._steps and self._steps[0] <= now:
                self._steps.pop(0)
                if not self.recorder.has_valid():
                    self.recorder.received.clear()  # expired credentials need not become valid again
                offset = self._clock.time() - self._service_clock.time()
                seconds = self._random.choice(STEPS) - offset * self._random.choice([0, 1])
                self.recorder.history.step(partial(self._clock.step, seconds))
            is_out = any(start <= now < start + 30 * MINUTE for start in self._outages)
            self._aws.restore()
            for route in self._routes:
                self._aws.script(route, *([OUTAGE[minute % len(OUTAGE)]] if is_out else self._faults()))

    def _faults(self) -> Iterator[Fault]:
        """Return the faults of the next exchanges: more than there are in a minute without faults."""
        for _ in range(8):
            yield self._random.choice(FAULTS) if self._random.random() < self._rate else NO_FAULT


@pytest.fixture(autouse=True)
def metadata_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def run_day(kind: str, backend: str, number: int, budget: Budget) -> Recorder:
    """Return the record of one day, which follows from the arguments."""
    day = Day(kind, budget.random(kind, backend, number))
    name, options = virtual_backend(backend)
    with seeded_trio(budget.seed):
        return anyio.run(day.run, backend=name, backend_options=options)


@pytest.mark.fault("U24")
@pytest.mark.goal("G5", "G6", scale=5)
@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
@pytest.mark.parametrize("kind", ["container", "instance"])
def test_every_caller_gets_the_right_credentials_for_a_day(
    kind: str, backend: str, budget: Budget, goal: RecordGoal
) -> None:
    """Over a day of outages, faults and clock steps every caller gets what it should.

    No unmarked expired credentials, no error while credentials are valid, no mixed fields, and one call per second.
    Repeated with the same seed, the day has the same events, in the same order.
    """
    for number in range(budget.count(1)):
        recorder = run_day(kind, backend, number, budget)
        gaps = [after - before for before, after in itertools.pairwise(recorder.called_at)]
        record_day(goal, recorder, sum(gap < 1.0 - 1e-6 for gap in gaps))
        assert problems(recorder.history) == [], number
        assert recorder.returned > 5_000, number
        assert min(gaps) >= 1.0 - 1e-6, number
        assert recorder.recorded > 2, number
        if kind == "container":  # a day takes a second, and both kinds have the same clocks, tasks and random numbers
            again = run_day(kind, backend, number, budget)
            assert again.history.events() == recorder.history.events(), number


def record_day(goal: RecordGoal, recorder: Recorder, too_soon: int) -> None:
    """Record what was counted in a day."""
    goal(
        "G5",
        "{days} days, {calls} calls: {unmarked} unmarked expired credentials, {needless} errors while credentials were "
        "valid, {problems} results that no correct cache returns",
        "{days} days, at least 20",
        days=1,
        calls=recorder.returned + recorder.failed,
        unmarked=recorder.unmarked,
        needless=recorder.needless,
        problems=len(problems(recorder.history)),
    )
    goal(
        "G6",
        "{attempts} attempts in {days} days of failures: {too_soon} less than a second after another",
        attempts=len(recorder.called_at),
        days=1,
        too_soon=too_soon,
    )


async def test_real_expiration_replaces_an_extended_one() -> None:
    """If the clock is set back, credentials with an extended expiration get their real one again."""
    clock, service_clock = VirtualClock(), VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=service_clock, lifetime=HOUR, sticky=True)
        network.serve(aws)
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        first = await provider()
        clock.step(2 * HOUR)
        assert (await provider()).original_expiration == first.expiration
        clock.step(-2 * HOUR)
        await anyio.sleep(7 * MINUTE)  # the expiration was extended by 7.5, so a refresh is due
        await provider()
        await anyio.sleep(1)
        assert await provider() == first


@pytest.mark.fault("U21")
async def test_expired_response_does_not_replace_valid_credentials() -> None:
    """If EC2 metadata returns expired credentials while the cached ones are valid, those are returned."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=HOUR)
        network.serve(aws)
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        first = await provider()
        aws.script("role", Expired(10.0))
        await anyio.sleep(50 * MINUTE)
        await provider()  # starts the refresh that returns expired credentials
        await anyio.sleep(1)
        assert aws.count("role") == 2
        assert await provider() == first
        await anyio.sleep(9 * MINUTE)
        assert (await provider()).access_key_id == "ASIAFAKEFAKEFAKE0003"
