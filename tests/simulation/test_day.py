"""A day in a second: short and long lives, faults, outages and a wall clock that is set. Nobody is ever lied to.

The machine's wall clock is stepped; the service's own clock is right all the time, as it would be.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext
from anycreds._providers.container import ContainerProvider
from anycreds._providers.imds.provider import InstanceMetadataProvider
from anycreds._system.io import SystemRuntime
from anycreds.testing import (
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
)
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.weak_error_references,
]  # thousands of errors, of few kinds, which others search

MINUTE, HOUR, DAY = 60.0, 3600.0, 24 * 3600.0
LIVES = (15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
FAULTS: tuple[Fault, ...] = (
    Status(500), Status(503), Status(429), Status(403), Body(b"null"), Body(b"<html>"), Raw(b"?"), HalfBody(), Hang(),
    ResetAfter(0), ResetAfter(100), Drip(b" ", 0.3), Flood(), Expired(10.0),
)  # fmt: skip
FINE = Delay(0.0)  # no fault at all
OUTAGE = (Forever(Hang()), Forever(Status(503)), Forever(ResetAfter(3)))
STEPS = (-2 * HOUR, -MINUTE, -1.0, 1.0, MINUTE, 10 * MINUTE, 2 * HOUR)


class Witness:
    """Knows by its own means what is valid: each set that the cache was given, with its end by both clocks."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.given: list[tuple[Credentials, float]] = []
        self.asked: list[float] = []
        self.noted = self.served = self.refused = self.stale = 0

    def begin(self) -> None:
        self.asked.append(self.clock.monotonic())

    def note(self, credentials: Credentials) -> None:
        self.noted += 1
        if self.has_valid() and credentials.access_key_id == self.given[-1][0].access_key_id:
            return  # the same again: it ends when it was said to
        self.given.append((credentials, self.clock.monotonic() + self.left(credentials)))

    def left(self, credentials: Credentials) -> float:
        assert credentials.expiration is not None
        return credentials.expiration.timestamp() - self.clock.time()

    def has_valid(self) -> bool:
        """Tell whether the set that came last is still valid: that must be served."""
        if not self.given:
            return False
        credentials, end = self.given[-1]
        return min(self.left(credentials), end - self.clock.monotonic()) > 0

    async def ask(self, provider: anycreds.CachedProvider) -> None:
        """Be one caller."""
        try:
            credentials = await provider()
        except CredentialsError:
            self.refused += 1
            assert not self.has_valid(), "an error while there was a valid set"
            return
        self.served += 1
        assert self.left(credentials) > 0, "an ended set"
        numbers = {text[-4:] for text in (credentials.access_key_id, credentials.secret_access_key[:18])}
        numbers.add((credentials.session_token or "")[:19][-4:])
        assert len(numbers) == 1, "parts of different sets"
        if credentials.original_expiration is not None:
            self.stale += 1
            assert not self.has_valid(), "a stale set while there was a valid one"


class Container(ContainerProvider):
    """The real one, with a witness."""

    __slots__ = ("witness",)
    witness: Witness

    async def _fetch(self, io: Io, caller: ClientContext) -> Credentials:
        self.witness.begin()
        credentials = await super()._fetch(io, caller)
        self.witness.note(credentials)
        return credentials


class Instance(InstanceMetadataProvider):
    """The real one, with a witness."""

    __slots__ = ("witness",)
    witness: Witness

    async def _fetch(self, io: Io, caller: ClientContext) -> Credentials:
        self.witness.begin()
        credentials = await super()._fetch(io, caller)
        if credentials.original_expiration is None:
            self.witness.note(credentials)
        return credentials


class Day:
    """A provider, its service, and what happens to both of them in 24 hours."""

    def __init__(self, kind: str, seed: int, rate: float) -> None:
        self._chance = chance = random.Random(f"{kind} {seed} {rate}")
        self._rate = rate
        self._clock, self._right = VirtualClock(), VirtualClock()
        self.witness = Witness(self._clock)
        self._aws = FakeAWS(clock=self._right, lifetime=chance.choice(LIVES), sticky=chance.random() < 0.5)
        self._outages = [chance.uniform(HOUR, DAY - HOUR) for _ in range(2)]
        self._steps = sorted(chance.uniform(HOUR, DAY - HOUR) for _ in range(6))
        world = SystemRuntime(self._clock)
        self._routes: tuple[str, ...]
        if kind == "container":
            token = self._aws.container_token
            made = Container(world, relative_uri="/v2/credentials/anycreds", authorization_token=token)
            made.witness, self._routes = self.witness, ("container",)
            self._provider = anycreds.cached(made, clock=self._clock)
        else:
            instance = Instance(world)
            instance.witness, self._routes = self.witness, ("token", "role list", "role")
            self._provider = anycreds.cached(instance, clock=self._clock)

    async def live(self) -> Witness:
        """Ask for a day, by several callers every few seconds, and watch each answer."""
        with MemoryNetwork() as network:
            network.serve(self._aws)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._trouble)
                for most in (10.0, 30.0, 60.0):
                    tasks.start_soon(self._call, most)
            await anyio.sleep(MINUTE)  # for a refresh that was just under way
            assert network.open == 0
        return self.witness

    async def _call(self, most: float) -> None:
        while anyio.current_time() < DAY:
            await self.witness.ask(self._provider)
            await anyio.sleep(self._chance.uniform(0.01, most))

    async def _trouble(self) -> None:
        # The first minute is calm: without a first set nothing would be at stake.
        for minute in range(1, int(DAY / MINUTE)):
            now = minute * MINUTE
            await anyio.sleep(now - anyio.current_time())
            self._aws.lifetime = self._chance.choice(LIVES)
            self._clock.chance = self._chance.random()
            if self._steps and self._steps[0] <= now:
                self._steps.pop(0)
                if not self.witness.has_valid():
                    self.witness.given.clear()  # what has ended need not come back to life
                wrong = self._clock.time() - self._right.time()
                self._clock.step(self._chance.choice(STEPS) - wrong * self._chance.choice([0, 1]))
            is_out = any(begun <= now < begun + 30 * MINUTE for begun in self._outages)
            self._aws.restore()
            for route in self._routes:
                self._aws.script(route, *([OUTAGE[minute % len(OUTAGE)]] if is_out else self._faults()))

    def _faults(self) -> Iterator[Fault]:
        """Return what happens to the next exchanges: more than there will be in the minute, if all is well."""
        for _ in range(8):
            yield self._chance.choice(FAULTS) if self._chance.random() < self._rate else FINE


@pytest.fixture(autouse=True)
def metadata_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


@pytest.mark.parametrize(("rate", "seed"), [(0.0, 1), (0.01, 1), (0.01, 2), (0.1, 1), (0.1, 2)])
@pytest.mark.parametrize("kind", ["container", "instance"])
async def test_a_day(kind: str, rate: float, seed: int) -> None:
    """Over 24 hours of outages, faults and clock steps: no ended set unflagged, no error while a set is valid, no mix.

    And the service is never asked more than once a second.
    """
    witness = await Day(kind, seed, rate).live()
    assert witness.served > 10_000
    gaps = [after - before for before, after in itertools.pairwise(witness.asked)]
    assert min(gaps) >= 1.0 - 1e-6
    assert witness.noted > 2


async def test_a_real_end_beats_one_that_was_moved() -> None:
    """If the wall clock is set back, and a set whose end was moved on is given again, it is no longer stale."""
    clock, right = VirtualClock(), VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=right, lifetime=HOUR, sticky=True)
        network.serve(aws)
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        first = await provider()
        clock.step(2 * HOUR)
        assert (await provider()).original_expiration == first.expiration
        clock.step(-2 * HOUR)
        await anyio.sleep(7 * MINUTE)  # the end was moved on by 7.5, so that it is time for a refresh
        await provider()
        await anyio.sleep(1)
        assert await provider() == first


async def test_valid_beats_stale() -> None:
    """If EC2 metadata gives an ended set while the cached one is valid, that one is served, and it is asked again."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock, lifetime=HOUR)
        network.serve(aws)
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        first = await provider()
        aws.script("role", Expired(10.0))
        await anyio.sleep(50 * MINUTE)
        await provider()  # starts the refresh that brings the ended set
        await anyio.sleep(1)
        assert aws.count("role") == 2
        assert await provider() == first
        await anyio.sleep(9 * MINUTE)
        assert (await provider()).access_key_id == "ASIAFAKEFAKEFAKE0003"
