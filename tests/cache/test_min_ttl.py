"""``provider(min_ttl=…)``: credentials valid for at least that long, or an error with what the source can issue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials
from support.rows import row

pytestmark = pytest.mark.anyio

MINUTE, HOUR = 60.0, 3600.0


async def test_sufficient_lifetime_causes_no_call() -> None:
    """If the cached credentials satisfy ``min_ttl``, the source is not called."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert await provider(min_ttl=timedelta(hours=3)) is first
    assert await provider(min_ttl=3 * HOUR) is first
    assert upstream.calls == 1


async def test_insufficient_lifetime_waits_for_a_refresh() -> None:
    """A ``min_ttl`` above the remaining lifetime waits for one refresh and returns its credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=6 * HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    await provider()
    await anyio.sleep(4 * HOUR)
    assert (await provider(min_ttl=3 * HOUR)).access_key_id == "AKID2"


async def test_rejection_is_remembered_for_five_minutes() -> None:
    """If the new credentials are too short as well, the source is called again after five minutes only."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError, match="3600 s") as caught:
        await provider(min_ttl=3 * HOUR)
    assert caught.value.message == "the newest credentials are valid for 3600 s; min_ttl is 10800 s"
    assert caught.value.source == "function FakeSource"
    assert caught.value.hint == "use a smaller min_ttl, or let the source issue credentials with a longer lifetime"
    assert upstream.calls == 1
    for _ in range(29):
        await anyio.sleep(10)
        with pytest.raises(anycreds.LifetimeTooShortError):
            await provider(min_ttl=4 * HOUR)
    assert upstream.calls == 1
    await anyio.sleep(20)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    assert upstream.calls == 2


async def test_invalidate_forgets_a_rejection() -> None:
    """After ``invalidate`` the source is called for the rejected ``min_ttl`` again, since it may have changed."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, HOUR, HOUR, 6 * HOUR), clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    assert provider.invalidate(await provider())
    assert (await provider()).access_key_id == "AKID2"
    assert (await provider(min_ttl=3 * HOUR)).access_key_id == "AKID3"


async def test_smaller_min_ttl_is_tried_after_a_rejection() -> None:
    """A rejection is remembered for the same and larger ``min_ttl`` only."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    await anyio.sleep(2 * MINUTE)
    assert (await provider(min_ttl=HOUR - 1)).access_key_id == "AKID2"


async def test_rejection_does_not_affect_other_callers() -> None:
    """A caller without ``min_ttl`` gets the credentials that were too short for another one."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=3 * HOUR)
    assert (await provider()).access_key_id == "AKID1"


async def test_failure_is_raised_for_min_ttl() -> None:
    """If the refresh for ``min_ttl`` fails, its error is raised; other callers still get the valid credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, HOUR, anycreds.RetrievalError("down"))
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(2)
    with pytest.raises(anycreds.RetrievalError, match="down"):
        await provider(min_ttl=2 * HOUR)
    assert await provider() is first


async def test_credentials_without_expiration_satisfy_every_min_ttl() -> None:
    """Credentials without an expiration are valid for long enough."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=None), clock=clock)
    assert (await provider(min_ttl=timedelta(days=3650))).expiration is None


async def test_unchanged_response_is_too_short() -> None:
    """If the source returns the same credentials again, the error has their remaining lifetime."""
    clock = VirtualClock()
    same = make_credentials("A", clock.time() + HOUR)
    provider = anycreds.cached(FakeSource(clock, same, same), clock=clock)
    await provider()
    await anyio.sleep(30 * MINUTE)
    with pytest.raises(anycreds.LifetimeTooShortError, match="1800 s"):
        await provider(min_ttl=HOUR)


async def test_invalid_min_ttl_raises_an_error() -> None:
    """An invalid ``min_ttl`` raises an error that names it, instead of waiting forever."""
    provider = anycreds.cached(anycreds.from_env())
    values: list[Any] = [-1, float("nan"), float("inf"), "3h", True, timedelta(seconds=-1)]
    for min_ttl in values:
        with row(repr(min_ttl)), pytest.raises(anycreds.InvalidConfigurationError, match="min_ttl"):
            await provider(min_ttl=min_ttl)
