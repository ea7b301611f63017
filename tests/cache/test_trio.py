"""What is specific to trio: crashing nurseries, checkpoints and its own test clock."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import anycreds
from anycreds.testing import VirtualClock
from support.fake_source import FakeSource

pytestmark = pytest.mark.trio

HOUR = 3600.0


@pytest.mark.fault("C08")
async def test_crashing_nursery_does_not_affect_the_refresh(autojump_clock: trio.testing.MockClock) -> None:
    """A nursery that crashes while its tasks wait raises its own error only; the refresh continues for the others."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=2.0)
    provider = anycreds.cached(upstream, clock=clock)

    async def crash() -> None:
        await trio.sleep(1)
        raise ZeroDivisionError

    got: list[anycreds.Credentials] = []

    async def call() -> None:
        got.append(await provider())

    async with trio.open_nursery() as outer:
        with pytest.RaisesGroup(ZeroDivisionError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                nursery.start_soon(crash)
                outer.start_soon(call)
    assert [one.access_key_id for one in got] == ["AKID1"]
    assert upstream.calls == 1
    assert trio.current_time() == 2.0


async def test_hit_is_no_checkpoint(autojump_clock: trio.testing.MockClock) -> None:
    """Returning cached credentials neither waits nor runs other tasks, so it cannot be cancelled."""
    provider = anycreds.cached(FakeSource(VirtualClock(), life=HOUR), clock=VirtualClock())
    await provider()
    with trio.testing.assert_no_checkpoints():
        await provider()
    with trio.CancelScope() as scope:
        scope.cancel()
        assert (await provider()).access_key_id == "AKID1"
    assert not scope.cancelled_caught


async def test_day_of_short_lived_credentials(autojump_clock: trio.testing.MockClock) -> None:
    """Over a day of quarter-hour credentials, called every ten seconds, no caller waits, with one call per lifetime."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=0.2, life=15 * 60.0)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    while trio.current_time() < 24 * HOUR:
        before = trio.current_time()
        got = await provider()
        assert trio.current_time() == before
        assert got.expiration is not None
        assert got.expiration.timestamp() > clock.time()
        await trio.sleep(10)
    assert 96 <= upstream.calls <= 24 * 6 + 1


@pytest.mark.fault("C08")
async def test_error_of_a_refresh_does_not_crash_the_run(autojump_clock: trio.testing.MockClock) -> None:
    """No exception of a background refresh reaches trio; the callers get credentials."""
    clock = VirtualClock()
    failures = [ValueError(), ExceptionGroup("several", [KeyError(), OSError()]), StopAsyncIteration(), RuntimeError()]
    upstream = FakeSource(clock, HOUR, *failures)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await trio.sleep(HOUR - 59)
    for _ in failures:
        await provider()
        await trio.sleep(12)
    assert upstream.calls == 5
    assert first.expiration is not None
