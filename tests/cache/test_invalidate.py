"""``invalidate``: rejected credentials are dropped once, whatever refresh is in progress."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio

HOUR = 3600.0


async def test_next_call_returns_other_credentials() -> None:
    """After ``invalidate`` the next caller gets other credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(10)
    assert provider.invalidate(first)
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_other_credentials_drop_nothing() -> None:
    """Credentials that are not the cached ones, by key or by token only, drop nothing."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert not provider.invalidate(make_credentials("other", None))
    assert not provider.invalidate(first.replace(session_token="another"))
    assert await provider() is first
    assert upstream.calls == 1


async def test_equal_copy_drops_the_cached_credentials() -> None:
    """Key id and token identify the credentials; the object need not be the same."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock), clock=clock)
    first = await provider()
    assert provider.invalidate(first.replace(expiration=None, source="elsewhere"))


@pytest.mark.fault("C15")
async def test_refresh_started_before_is_not_used() -> None:
    """The credentials of a refresh that was in progress during ``invalidate`` are not cached, the second time too."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    for calls in (3, 5):
        upstream.latency = 0.0
        await anyio.sleep(HOUR - 600)
        upstream.latency = 5.0
        assert await provider() is first  # starts the refresh in the background
        await anyio.sleep(1)
        assert provider.invalidate(first)
        first = await provider()
        assert (first.access_key_id, upstream.calls) == (f"AKID{calls}", calls)


@pytest.mark.fault("C15")
async def test_waiters_of_an_unused_refresh_get_the_next_one() -> None:
    """Callers that wait during ``invalidate`` get the credentials of a refresh that started after it."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 30)
    upstream.latency = 2.0
    got = []

    async def call() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(call)
        await anyio.sleep(1)
        provider.invalidate(first)
    assert got == ["AKID3"] * 5


async def test_invalidating_everything_causes_one_call_per_second() -> None:
    """A program that invalidates all credentials it gets causes one call per second, not a loop."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    while clock.monotonic() < 10:
        provider.invalidate(await provider())
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    assert min(gaps) >= 1.0


async def test_repeated_credentials_stay_cached_for_five_minutes() -> None:
    """If the source returns the dropped credentials again, they can be dropped again after five minutes only."""
    clock = VirtualClock()
    repeated = make_credentials("A", clock.time() + 6 * HOUR)
    upstream = FakeSource(clock, *[repeated] * 5)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert provider.invalidate(first)
    again = await provider()
    assert again.access_key_id == "AKIDA"
    for _ in range(29):
        await anyio.sleep(10)
        assert not provider.invalidate(again)
        await provider()
    assert upstream.calls == 2
    await anyio.sleep(10)
    assert provider.invalidate(again)
    await provider()
    assert upstream.calls == 3


async def test_empty_cache_drops_nothing() -> None:
    """``invalidate`` on an empty cache does nothing."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    assert not provider.invalidate(make_credentials("A", None))
    await provider()
    assert upstream.calls == 1
