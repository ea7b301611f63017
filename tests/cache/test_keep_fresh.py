"""``keep_fresh``: nobody waits while the block is open, and nothing of it outlives it."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from upstream import Upstream

pytestmark = pytest.mark.anyio

HOUR = 3600.0


async def test_no_caller_ever_waits_inside_the_block() -> None:
    """Over a day of hourly sets, with a slow source, every call and every plain read is served at once."""
    clock = VirtualClock()
    upstream = Upstream(clock, latency=3.0, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as handle:
        start = clock.monotonic()
        while clock.monotonic() < start + 24 * HOUR:
            before = clock.monotonic()
            got = await provider()
            assert clock.monotonic() == before
            assert handle.credentials is got
            assert got.expiration is not None
            assert got.expiration.timestamp() > clock.time()
            await anyio.sleep(701)
    assert 24 <= upstream.calls <= 35


async def test_entering_waits_for_the_first_set() -> None:
    """When the block begins the handle has a set."""
    clock = VirtualClock()
    async with anycreds.cached(Upstream(clock, latency=2.0), clock=clock).keep_fresh() as handle:
        assert clock.monotonic() == 2.0
        assert handle.credentials.access_key_id == "AKID1"


async def test_entering_raises_what_the_provider_does() -> None:
    """Without a first set the block does not begin."""
    provider = anycreds.cached(Upstream(VirtualClock(), anycreds.RetrievalError("down")))
    with pytest.raises(anycreds.RetrievalError, match="down"):
        async with provider.keep_fresh():
            raise AssertionError


async def test_errors_of_the_body_pass_unchanged() -> None:
    """What the body raises comes out as it is, not in a group."""
    clock = VirtualClock()
    with pytest.raises(ZeroDivisionError):
        async with anycreds.cached(Upstream(clock), clock=clock).keep_fresh():
            raise ZeroDivisionError


async def test_cancelled_body_leaves_at_once() -> None:
    """A deadline around the block ends it in its instant."""
    clock = VirtualClock()
    provider = anycreds.cached(Upstream(clock, life=HOUR), clock=clock)
    with anyio.move_on_after(7.0) as scope:
        async with provider.keep_fresh():
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() == 7.0


async def test_nothing_outlives_the_block() -> None:
    """A refresh that is in the air when the block ends is ended with it, and no task goes on asking."""
    clock = VirtualClock()
    upstream = Upstream(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh():
        upstream.latency = 50.0
        for _ in range(4000):
            await anyio.sleep(0 if upstream.in_the_air else 1)
        assert upstream.in_the_air == 1
    assert upstream.in_the_air == 0
    calls = upstream.calls
    await anyio.sleep(24 * HOUR)
    assert upstream.calls == calls


async def test_callers_outside_survive_the_end_of_the_block() -> None:
    """Who waits for the refresh that the block ends decides again and is served."""
    clock = VirtualClock()
    upstream = Upstream(clock, life=100.0)
    provider = anycreds.cached(upstream, clock=clock)
    got = []

    async def ask() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks, provider.keep_fresh():
        upstream.latency = 30.0
        await anyio.sleep(101)  # the refresh of the keeper is in the air, and the set has ended
        upstream.latency = 0.0
        if not upstream.in_the_air:
            await anyio.sleep(1)
        tasks.start_soon(ask)
        await anyio.lowlevel.checkpoint()
    assert len(got) == 1


async def test_outage_is_told_by_the_handle_after_the_end_only() -> None:
    """While the set is valid an outage shows nowhere; after its end the plain read raises the source's failure."""
    clock = VirtualClock()
    upstream = Upstream(clock, HOUR, *(anycreds.RetrievalError("down") for _ in range(500)))
    async with anycreds.cached(upstream, clock=clock).keep_fresh() as handle:
        await anyio.sleep(HOUR - 1)
        assert handle.credentials.access_key_id == "AKID1"
        await anyio.sleep(2)
        with pytest.raises(anycreds.RetrievalError, match="down"):
            _ = handle.credentials
        assert upstream.calls < 20
        upstream.answers.clear()
        await anyio.sleep(40)
        assert handle.credentials.expiration is not None


async def test_clock_steps_are_noticed_within_half_a_minute() -> None:
    """After a wall clock step past the end the keeper has a new set within 30 s, though nobody called."""
    clock = VirtualClock()
    async with anycreds.cached(Upstream(clock, life=12 * HOUR), clock=clock).keep_fresh() as handle:
        clock.step(13 * HOUR)
        await anyio.sleep(31)
        assert handle.credentials.access_key_id == "AKID2"


async def test_two_blocks_at_once_share_the_refreshes() -> None:
    """Two keepers of one provider do not double its calls, and the end of one leaves the other working."""
    clock = VirtualClock()
    upstream = Upstream(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    async with provider.keep_fresh() as outer:
        async with provider.keep_fresh():
            await anyio.sleep(10 * HOUR)
        calls = upstream.calls
        assert calls <= 14
        await anyio.sleep(5 * HOUR)
        assert upstream.calls > calls
        assert outer.credentials.expiration is not None
        assert outer.credentials.expiration.timestamp() > clock.time()
