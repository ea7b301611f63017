"""When a cached set is served, refreshed in the background, waited for, or refreshed at once."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


async def settle() -> None:
    """Let a background refresh that needs no time land."""
    await anyio.sleep(0.001)


async def test_fresh_set_is_served_without_another_call() -> None:
    """Until the advisory window nobody asks the source again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    for _ in range(4):
        await anyio.sleep(HOUR)
        assert await provider() is first
    assert upstream.calls == 1


@pytest.mark.parametrize(
    ("life", "window"),
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
async def test_window_follows_the_life_of_the_set(life: float, window: float) -> None:
    """The advisory window has the published length for each life, and is never more than half of it."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=life)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(life - window - 1)
    assert await provider() is first
    await settle()
    assert upstream.calls == 1
    await anyio.sleep(1.5)
    assert await provider() is first
    await settle()
    assert upstream.calls == 2
    assert await provider() is not first


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
async def test_fleet_spreads_over_a_tenth_of_the_window(chance: float) -> None:
    """The refresh starts later by up to a tenth of the window, as chance has it."""
    clock = VirtualClock()
    clock.chance = chance
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    start = HOUR - 15 * MINUTE * (1 - 0.1 * chance)
    await anyio.sleep(start - 1)
    await provider()
    await settle()
    assert upstream.calls == 1
    await anyio.sleep(1.5)
    await provider()
    await settle()
    assert upstream.calls == 2


async def test_nobody_waits_in_the_advisory_window() -> None:
    """All callers in the advisory window get the old set at once, also who starts the one refresh."""
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


async def test_mandatory_window_waits_for_the_refresh() -> None:
    """In the last minute callers wait for the one refresh and get the new set."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=2.0)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR - 30 - clock.monotonic())
    got = []

    async def ask() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert got == ["AKID2"] * 50
    assert upstream.calls == 2


async def test_mandatory_window_waits_five_seconds_at_most() -> None:
    """A slow source does not hold a caller whose set is still valid: after 5 s it gets that."""
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


async def test_mandatory_wait_goes_on_when_the_set_ends_meanwhile() -> None:
    """Who waits while the set ends gets the next one, never the dead one."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR - 3)
    upstream.latency = 20.0
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_short_life_has_short_windows() -> None:
    """A set of 40 s is refreshed from its half on and waited for in its last quarter only."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=40.0, latency=1.0)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()  # arrives with 40 s to live
    await anyio.sleep(21)
    before = clock.monotonic()
    assert await provider() is first
    assert clock.monotonic() == before
    await anyio.sleep(2)
    assert (await provider()).access_key_id == "AKID2"


async def test_expired_set_is_never_served() -> None:
    """After the end callers wait for a new set, however long nobody asked."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=1.0)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(100 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


async def test_set_without_expiration_is_never_refreshed() -> None:
    """Keys that have no end are asked for once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=None)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(1000 * HOUR)
    assert await provider() is first
    assert upstream.calls == 1


async def test_recheck_asks_again_for_keys_without_an_end() -> None:
    """With ``recheck_after`` such keys are asked for again in the background, and rotated ones are taken."""
    clock = VirtualClock()
    static = make_credentials("S", None)
    upstream = FakeSource(clock, static, static, life=None)
    provider = anycreds.cached(upstream, recheck_after=timedelta(minutes=10), clock=clock)
    first = await provider()
    for calls, expected in ((2, "AKIDS"), (3, "AKID3")):
        await anyio.sleep(11 * MINUTE)
        assert await provider() is first
        await settle()
        assert upstream.calls == calls
        assert (await provider()).access_key_id == expected


async def test_refresh_window_replaces_the_table() -> None:
    """``refresh_window`` says how long before the end the refresh starts."""
    clock = VirtualClock()
    clock.chance = 0.0
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, refresh_window=timedelta(minutes=25), clock=clock)
    await provider()
    await anyio.sleep(HOUR - 26 * MINUTE)
    await provider()
    await settle()
    assert upstream.calls == 1
    await anyio.sleep(2 * MINUTE)
    await provider()
    await settle()
    assert upstream.calls == 2


async def test_wall_clock_set_forward_never_serves_the_dead() -> None:
    """When the wall clock passes the end, the next call refreshes, at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider() is first
    clock.step(7 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


async def test_suspended_machine_never_serves_the_dead() -> None:
    """A laptop that slept past the end refreshes at the first call, though its monotonic clock stood still."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    await provider()
    await anyio.sleep(1)
    await provider()
    clock.suspend(8 * HOUR)
    assert (await provider()).access_key_id == "AKID2"


@pytest.mark.parametrize("back", [30.0, 2 * HOUR, 1000 * HOUR])
async def test_wall_clock_set_back_never_freezes_refresh(back: float) -> None:
    """However far the wall clock is set back, the set is refreshed when its life has passed."""
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


async def test_steps_to_and_fro_make_no_extra_calls() -> None:
    """A wall clock that jitters around the right time costs no refresh before its time."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=12 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    for hour in range(8):
        await anyio.sleep(HOUR)
        clock.step(300 if hour % 2 else -300)
        await provider()
    assert upstream.calls == 1
