"""Many callers of one cached provider: their deadlines are short, the source fails, or repeats its credentials."""

from __future__ import annotations

import itertools

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import CachedProvider, Clock, Credentials, RetrievalError
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials
from support.goals import RecordGoal

pytestmark = pytest.mark.anyio

PATIENCE = 0.25  # seconds that each caller waits
DAY = 24 * 3600.0


@pytest.mark.fault("C13")
@pytest.mark.goal("G3", long=True)
async def test_deadlines_shorter_than_a_refresh(goal: RecordGoal) -> None:
    """Callers whose deadlines are all shorter than a refresh are served by one call, once it has had its time."""
    served = could = calls = 0
    latencies = (0.251, 0.3, 0.5, 1.0, 2.0, 10.0, 59.0)
    for latency in latencies:
        clock = VirtualClock()
        source = FakeSource(clock, latency=latency)
        provider = anycreds.cached(source, clock=clock)
        got: list[float] = []

        async def call(after: float, provider: CachedProvider = provider, got: list[float] = got) -> None:
            await anyio.sleep(after)
            with anyio.move_on_after(PATIENCE):
                await provider()
                got.append(after)

        # 120 callers arrive while the first call takes place, and as many afterwards.
        arrivals = [0.0, *((number + 0.1) * latency / 120 for number in range(239))]  # not in the instant of the end
        async with anyio.create_task_group() as tasks:
            for after in arrivals:
                tasks.start_soon(call, after)
        could += sum(after > latency - PATIENCE for after in arrivals)
        served += len(got)
        calls += source.calls
        assert set(got) >= {after for after in arrivals if after > latency - PATIENCE}, latency
    goal(
        "G3",
        "{served} of {could} callers served that arrive late enough; {calls} calls in {refreshes} refreshes",
        "7 latencies from 0.251 to 59 s, 240 callers each",
        served=served,
        could=could,
        calls=calls,
        refreshes=len(latencies),
    )
    assert served == could
    assert calls == len(latencies)


@pytest.mark.fault("C03")
@pytest.mark.goal("G4", long=True)
@pytest.mark.parametrize("waiters", [1, 10, 1_000])
async def test_failure_reaches_all_callers_at_once(waiters: int, goal: RecordGoal) -> None:
    """Callers that wait for a refresh get its failure in one pass of the event loop, each its own copy."""
    clock = VirtualClock()
    source = FakeSource(clock, *[RetrievalError("down")] * 9, latency=4.0)
    provider = anycreds.cached(source, clock=clock)
    passes = 0
    ends: list[tuple[float, int]] = []
    errors: list[RetrievalError] = []

    async def count_passes() -> None:
        nonlocal passes
        await anyio.sleep(4.0 - 1e-6)
        while len(errors) < waiters:
            passes += 1
            await anyio.lowlevel.checkpoint()
            if passes % 100 == 0:
                await anyio.sleep(1e-7)  # virtual time stands still while a task is ready

    async def call() -> None:
        try:
            await provider()
        except RetrievalError as error:
            ends.append((round(anyio.current_time() - started, 6), passes))
            errors.append(error)

    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_passes)
        for _ in range(waiters):
            tasks.start_soon(call)
    spread = max(number for _, number in ends) - min(number for _, number in ends)
    goal(
        "G4",
        "{errors} errors of {calls} attempts, {late} later than the end of its attempt, at most {passes:.0f} passes of "
        "the event loop between them",
        "1, 10 and 1,000 callers",
        errors=len(errors),
        calls=source.calls,
        late=sum(when != 4.0 for when, _ in ends),
        passes=float(max(0, spread - 1)),
    )
    assert {when for when, _ in ends} == {4.0}
    assert spread <= 1  # the task that counts runs before some of them and after others
    assert source.calls == 1
    assert len(set(map(id, errors))) == waiters


class StickySource:
    """Returns the same credentials until five minutes before they expire, as EC2 does."""

    def __init__(self, clock: Clock, life: float) -> None:
        self._clock, self._life = clock, life
        self._issued: tuple[float, Credentials] | None = None
        self.calls: list[float] = []

    async def __call__(self) -> Credentials:
        self.calls.append(self._clock.monotonic())
        now = self._clock.time()
        if self._issued is None or now > self._issued[0] - 300:
            self._issued = (now + self._life, make_credentials(str(len(self.calls)), now + self._life))
        return self._issued[1]


@pytest.mark.fault("U34")
@pytest.mark.goal("G6", long=True)
async def test_service_that_repeats_its_credentials_for_a_day(goal: RecordGoal) -> None:
    """Ten calls a second for a day cause at most one request in five minutes, outside of the last of them."""
    clock = VirtualClock()
    source = StickySource(clock, 6 * 3600.0)
    provider = anycreds.cached(source, clock=clock)
    calls = 0
    end = anyio.current_time() + DAY
    while anyio.current_time() < end:
        for _ in range(10):
            await provider()
        calls += 10
        await anyio.sleep(1)
    gaps = [after - before for before, after in itertools.pairwise(source.calls)]
    goal(
        "G6",
        "{calls} calls in {hours} hours: {requests} requests, {soon} within 5 minutes of another",
        "24 hours on each event loop",
        calls=calls,
        hours=24,
        requests=len(source.calls),
        soon=sum(gap < 300 - 1e-6 for gap in gaps),
    )
    assert min(gaps) >= 300 - 1e-6, sorted(gaps)[:5]
