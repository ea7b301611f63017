"""When cached credentials are returned, refreshed in the background, waited for, or refreshed at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

import anycreds
from anycreds import Credentials
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


class PromptingSource(Provider):
    """Prompts the user at each call, and returns credentials of an hour."""

    __slots__ = ("calls", "clock")

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("prompting", SystemRuntime(clock))
        self.clock = clock
        self.calls = 0

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        self.calls += 1
        io.prompts_user = True
        return make_credentials(str(self.calls), self.clock.time() + HOUR)


async def finish_refresh() -> None:
    """Let a background refresh that needs no time finish."""
    await anyio.sleep(0.001)


async def test_fresh_credentials_are_returned_without_another_call() -> None:
    """Until the advisory window the source is not called again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    for _ in range(4):
        await anyio.sleep(HOUR)
        assert await provider() is first
    assert upstream.calls == 1


@pytest.mark.parametrize(
    ("lifetime", "window"),
    [
        (5 * MINUTE, 2.5 * MINUTE),
        (15 * MINUTE, 5 * MINUTE),
        (20 * MINUTE, 5 * MINUTE),
        (21 * MINUTE, 10.5 * MINUTE),
        (HOUR, 15 * MINUTE),
        (90 * MINUTE - 1, 15 * MINUTE),
        (90 * MINUTE, 45 * MINUTE),
        (3 * HOUR, HOUR),
        (12 * HOUR, HOUR),
    ],
)
async def test_advisory_window_depends_on_the_lifetime(lifetime: float, window: float) -> None:
    """The advisory window has the documented length for each lifetime, and is never more than half of it."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=lifetime)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(lifetime - window - 1)
    assert await provider() is first
    await finish_refresh()
    assert upstream.calls == 1
    await anyio.sleep(1.5)
    assert await provider() is first
    await finish_refresh()
    assert upstream.calls == 2
    assert await provider() is not first


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
async def test_refresh_starts_within_a_tenth_of_the_window(chance: float) -> None:
    """The refresh starts later by a random part of up to a tenth of the window."""
    clock = VirtualClock()
    clock.chance = chance
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    start = HOUR - 15 * MINUTE * (1 - 0.1 * chance)
    await anyio.sleep(start - 1)
    await provider()
    await finish_refresh()
    assert upstream.calls == 1
    await anyio.sleep(1.5)
    await provider()
    await finish_refresh()
    assert upstream.calls == 2


async def test_no_caller_waits_in_the_advisory_window() -> None:
    """All callers in the advisory window get the old credentials at once, also the one that starts the refresh."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=2.0)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 10 * MINUTE)
    before = clock.monotonic()
    for _ in range(100):
        assert await provider() is first
    assert clock.monotonic() == before
    await anyio.sleep(1.0)
    assert await provider() is first
    await anyio.sleep(1.5)
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_callers_wait_in_the_mandatory_window() -> None:
    """In the last minute callers wait for the one refresh and get the new credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=2.0)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR - 30 - clock.monotonic())
    got = []

    async def call() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(call)
    assert got == ["AKID2"] * 50
    assert upstream.calls == 2


async def test_wait_in_the_mandatory_window_is_at_most_five_seconds() -> None:
    """While the source is slow, a caller gets the credentials that are still valid after 5 s."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 50)
    upstream.latency = 20.0
    before = clock.monotonic()
    assert await provider() is first
    assert clock.monotonic() - before == 5.0
    await anyio.sleep(16)
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_wait_continues_when_the_credentials_expire() -> None:
    """A caller whose credentials expire during its wait gets the next ones, never the expired ones."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR - 3)
    upstream.latency = 20.0
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_short_lifetime_has_short_windows() -> None:
    """Credentials of 40 s are refreshed from half of their lifetime on, and waited for in the last quarter only."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=40.0, latency=1.0)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()  # arrives with a lifetime of 40 s
    await anyio.sleep(21)
    before = clock.monotonic()
    assert await provider() is first
    assert clock.monotonic() == before
    await anyio.sleep(2)
    assert (await provider()).access_key_id == "AKID2"


async def test_expired_credentials_are_never_returned() -> None:
    """After the expiration callers wait for new credentials, however long there was no call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=1.0)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(100 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


async def test_credentials_without_expiration_are_never_refreshed() -> None:
    """The source of keys without an expiration is called once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=None)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(1000 * HOUR)
    assert await provider() is first
    assert upstream.calls == 1


async def test_recheck_after_refreshes_keys_without_expiration() -> None:
    """With ``recheck_after`` such keys are refreshed in the background, and rotated ones are used."""
    clock = VirtualClock()
    static = make_credentials("S", None)
    upstream = FakeSource(clock, static, static, life=None)
    provider = anycreds.cached(upstream, recheck_after=timedelta(minutes=10), clock=clock)
    first = await provider()
    for calls, expected in ((2, "AKIDS"), (3, "AKID3")):
        await anyio.sleep(11 * MINUTE)
        assert await provider() is first
        await finish_refresh()
        assert upstream.calls == calls
        assert (await provider()).access_key_id == expected


async def test_recheck_within_the_first_minute_is_not_delayed() -> None:
    """A ``recheck_after`` shorter than the minute for which a decision holds is respected from the first call on."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=None)
    provider = anycreds.cached(upstream, recheck_after=30.0, clock=clock)
    await provider()
    for calls, pause in ((1, 29.0), (2, 2.0)):
        await anyio.sleep(pause)
        await provider()
        await finish_refresh()
        assert upstream.calls == calls


async def test_user_is_not_prompted_before_the_expiration() -> None:
    """If the last refresh has prompted the user, the next one starts when the credentials have expired, not before."""
    clock = VirtualClock()
    upstream = PromptingSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 1)
    assert await provider() is first
    await finish_refresh()
    assert upstream.calls == 1
    await anyio.sleep(1)
    assert (await provider()).access_key_id == "AKID2"


async def test_refresh_window_replaces_the_table() -> None:
    """``refresh_window`` is how long before the expiration the refresh starts."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, refresh_window=timedelta(minutes=25), clock=clock)
    await provider()
    await anyio.sleep(HOUR - 26 * MINUTE)
    await provider()
    await finish_refresh()
    assert upstream.calls == 1
    await anyio.sleep(2 * MINUTE)
    await provider()
    await finish_refresh()
    assert upstream.calls == 2


@pytest.mark.fault("U24")
async def test_wall_clock_set_forward_expires_credentials() -> None:
    """When the wall clock passes the expiration, the next call refreshes at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider() is first
    clock.step(7 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


@pytest.mark.fault("U24")
async def test_suspended_machine_expires_credentials() -> None:
    """After the machine was suspended past the expiration, the first call refreshes."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    await provider()
    await anyio.sleep(1)
    await provider()
    clock.suspend(8 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


@pytest.mark.fault("U24")
@pytest.mark.parametrize("back", [30.0, 2 * HOUR, 1000 * HOUR])
async def test_wall_clock_set_back_does_not_prolong_credentials(back: float) -> None:
    """However far the wall clock is set back, the credentials are refreshed when their lifetime has passed."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(10)
    clock.step(-back)
    for _ in range(59):
        await anyio.sleep(MINUTE)
        await provider()
    await anyio.sleep(MINUTE)
    await provider()
    assert upstream.calls == 2


async def test_decision_is_repeated_after_a_minute() -> None:
    """A decision to return the cached credentials holds from its very instant, and not at the end of its minute."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=6 * HOUR), clock=clock)
    first = await provider()
    assert provider._state.cached_or_none() is first
    await anyio.sleep(MINUTE)
    assert provider._state.cached_or_none() is None
    assert await provider() is first
    assert provider._state.cached_or_none() is first
    soon = anycreds.cached(FakeSource(clock), recheck_after=0.5, clock=clock)
    assert await soon() is soon._state.cached_or_none()  # for half a second, too


@pytest.mark.fault("U24")
async def test_small_clock_steps_cause_no_extra_calls() -> None:
    """A wall clock that is set forward and back by minutes causes no early refresh."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=12 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    for hour in range(8):
        await anyio.sleep(HOUR)
        clock.step(300 if hour % 2 else -300)
        await provider()
    assert upstream.calls == 1


@pytest.mark.fault("U23")
@pytest.mark.parametrize(("recheck_after", "calls"), [(None, 1), (24 * HOUR, 365)])
async def test_expiration_at_the_end_of_time(recheck_after: float | None, calls: int) -> None:
    """Credentials until the year 9999 are returned for a year without another call, or with those of a recheck."""
    clock = VirtualClock()
    end = 253_402_300_799.0  # the last second of the year 9999
    upstream = FakeSource(clock, *(make_credentials(str(number), end) for number in range(400)))
    provider = anycreds.cached(upstream, recheck_after=recheck_after, clock=clock)
    for _ in range(365):
        assert (await provider()).expiration == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
        await anyio.sleep(24 * HOUR)
    assert upstream.calls == calls
