"""``invalidate``: rejected credentials are dropped once, whatever refresh is in progress."""

from __future__ import annotations

from itertools import pairwise

import anyio
import pytest

import anycreds
from anycreds._cache.after_waiting import result_after
from anycreds._cache.outcome import Outcome
from anycreds._cache.refresh import InFlightRefresh
from anycreds._cache.state import CacheState
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


class VoidedSource(FakeSource):
    """A source during whose calls another event loop gets credentials and invalidates them, each time others."""

    state: CacheState
    others = 0

    async def __call__(self) -> anycreds.Credentials:
        self.others += 1
        dropped = make_credentials(f"OTHER{self.others}", None)
        refresh = InFlightRefresh(self.state, "another loop")
        refresh.generation = self.state.generation
        self.state.apply_outcome(refresh, Outcome(dropped))
        assert self.state.invalidate(dropped)
        return await super().__call__()


@pytest.mark.fault("C15")
async def test_caller_is_served_by_the_second_refresh_that_others_make_void() -> None:
    """Of two refreshes during which others invalidate, a caller gets the result of the second, which is not cached."""
    clock = VirtualClock()
    upstream = VoidedSource(clock, latency=2.0)
    provider = anycreds.cached(upstream, clock=clock)
    upstream.state = provider._state
    got = await provider()
    assert (got.access_key_id, clock.monotonic()) == ("AKID2", 5.0)  # two calls, one second apart
    assert provider._state.snapshot.cached is None
    assert (await provider(min_ttl=HOUR - 1)).access_key_id == "AKID4"
    with pytest.raises(anycreds.LifetimeTooShortError, match="valid for 3600 s; min_ttl is 7200 s"):
        await provider(min_ttl=2 * HOUR)
    upstream.outcomes.extend((anycreds.RetrievalError("first"), anycreds.RetrievalError("second")))
    with pytest.raises(anycreds.RetrievalError, match="second"):
        await provider()


async def test_credentials_that_another_caller_invalidates_before_they_are_read() -> None:
    """Of many callers that each invalidate what they get, none is refused or waits for more than two refreshes."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=0.5)
    provider = anycreds.cached(upstream, clock=clock)
    waits: list[float] = []

    async def call() -> None:
        while clock.monotonic() < 60:
            started = clock.monotonic()
            provider.invalidate(await provider())
            waits.append(clock.monotonic() - started)
            await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(call)
    assert len(waits) > 300
    assert max(waits) <= 3.0 + 1e-6  # at most: a second, a call, a second and a call
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    assert min(gaps) >= 1.5 - 1e-6


async def test_result_of_a_refresh_that_is_not_cached() -> None:
    """Invalidated credentials are returned after a second refresh, unless there are others or they have expired."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock), clock=clock)
    void = Outcome(make_credentials("A", clock.time() + 5), is_void=True)
    dropped = void._replace(is_void=False)  # cached, and invalidated before the caller has read them
    for outcome in (void, dropped):
        assert result_after(provider._state, outcome, None, is_repeated=False) is None
        assert result_after(provider._state, outcome, None, is_repeated=True) is void.credentials
    cached = await provider()
    assert result_after(provider._state, void, None, is_repeated=True) is cached
    assert provider.invalidate(cached)
    clock.step(5)
    assert result_after(provider._state, void, None, is_repeated=True) is None


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
