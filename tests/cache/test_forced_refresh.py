"""``provider(refresh=True)``: one refresh now, shared by its callers, and the cached credentials if it fails."""

from __future__ import annotations

import logging
from functools import partial

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

HOUR = 3600.0


def down() -> anycreds.RetrievalError:
    """Return a failure to raise."""
    return anycreds.RetrievalError("the source is down")


async def test_refreshes_long_before_the_window() -> None:
    """A forced refresh replaces credentials that no window would replace, for all callers."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(HOUR)
    forced = await provider(refresh=True)
    assert (forced.access_key_id, upstream.calls) == ("AKID2", 2)
    assert await provider() is forced
    assert upstream.calls == 2


async def test_replaces_credentials_without_an_expiration() -> None:
    """Credentials that never expire are replaced by a forced refresh."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=None), clock=clock)
    await provider()
    assert (await provider(refresh=True)).access_key_id == "AKID2"


async def test_concurrent_callers_share_one_refresh() -> None:
    """A hundred forced refreshes at a time make one call, while other callers get the cached credentials at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR, latency=5)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR)
    found: list[str] = []

    async def force() -> None:
        found.append((await provider(refresh=True)).access_key_id)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(force)
        await anyio.sleep(1)
        started = clock.monotonic()
        assert await provider() is first
        assert clock.monotonic() == started
    assert found == ["AKID2"] * 100
    assert upstream.calls == 2


async def test_joins_the_refresh_in_progress() -> None:
    """A forced refresh during a background refresh waits for that one."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR, latency=5)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 600)
    assert await provider() is first
    await anyio.sleep(1)
    assert upstream.running == 1
    assert (await provider(refresh=True)).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_other_callers_join_it_while_the_source_backs_off() -> None:
    """A caller without cached credentials joins a forced refresh, although the error of the last one is remembered."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, down(), down(), latency=1), clock=clock)
    for _ in range(2):
        with pytest.raises(anycreds.RetrievalError):
            await provider(refresh=True)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(provider, refresh=True))
        await anyio.sleep(1.5)  # a second after the last call it has begun; the source backs off for two seconds
        assert (await provider()).access_key_id == "AKID3"


async def test_calls_are_a_second_apart() -> None:
    """Forced refreshes one after another call the source at most once a second."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    for _ in range(4):
        await provider(refresh=True)
    assert upstream.started == pytest.approx([upstream.started[0] + number for number in range(4)])


async def test_failure_returns_the_cached_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """If the forced refresh fails, the credentials that are valid stay cached and are returned, with a warning."""
    clock = VirtualClock()
    upstream = FakeSource(clock, 6 * HOUR, down(), down(), life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        assert await provider(refresh=True) is first
    assert "the source is down" in caplog.text
    assert await provider() is first
    assert await provider(refresh=True) is first  # the backoff after the failure does not apply
    assert (await provider(refresh=True)).access_key_id == "AKID4"


async def test_failure_without_valid_credentials_is_raised() -> None:
    """If nothing valid is cached, a forced refresh raises the error; another one calls the source again."""
    clock = VirtualClock()
    upstream = FakeSource(clock, down(), down())
    provider = anycreds.cached(upstream, clock=clock)
    for _ in range(2):
        with pytest.raises(anycreds.RetrievalError, match="the source is down"):
            await provider(refresh=True)
    assert (await provider(refresh=True)).access_key_id == "AKID3"


async def test_unchanged_credentials_are_returned() -> None:
    """A source that returns the same credentials again does not make a forced refresh fail."""
    clock = VirtualClock()
    only = make_credentials("1", clock.time() + HOUR)
    upstream = FakeSource(clock, only, only)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider(refresh=True) is first
    assert upstream.calls == 2


async def test_with_min_ttl() -> None:
    """With ``min_ttl``, a forced refresh that fails returns cached credentials with enough lifetime, else an error."""
    clock = VirtualClock()
    upstream = FakeSource(clock, 6 * HOUR, down(), down(), HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider(min_ttl=HOUR, refresh=True) is first
    with pytest.raises(anycreds.RetrievalError, match="the source is down"):
        await provider(min_ttl=7 * HOUR, refresh=True)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=7 * HOUR, refresh=True)


async def test_cancelled_caller_does_not_cancel_the_refresh() -> None:
    """The refresh continues if the caller that forced it is cancelled."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR, latency=5)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    with anyio.move_on_after(3):
        await provider(refresh=True)
    await anyio.sleep(5)
    assert (await provider()).access_key_id == "AKID2"


async def test_abandoned_refreshes_return_the_cached_credentials() -> None:
    """If something cancels every forced refresh, the caller gets the credentials that are valid."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=6 * HOUR, latency=5), clock=clock)
    first = await provider()
    found: list[anycreds.Credentials] = []

    async def force() -> None:
        found.append(await provider(refresh=True))

    async with anyio.create_task_group() as group:
        group.start_soon(force)
        while not found:
            await anyio.sleep(0.5)
            refresh = provider._state.refreshes.own(provider._runtime.current_loop())
            if refresh is not None:
                await refresh.cancel()
    assert found == [first]
