"""``invalidate``: a set that a service refused is dropped, once, whatever is in the air."""

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


async def test_invalidated_set_is_replaced_at_the_next_call() -> None:
    """After ``invalidate`` the next caller gets another set."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(10)
    assert provider.invalidate(first)
    assert (await provider()).access_key_id == "AKID2"
    assert upstream.calls == 2


async def test_other_sets_are_left_alone() -> None:
    """A set that is not the cached one, be it by key or by token only, drops nothing."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    assert not provider.invalidate(make_credentials("other", None))
    assert not provider.invalidate(first.replace(session_token="another"))
    assert await provider() is first
    assert upstream.calls == 1


async def test_equal_copy_is_enough() -> None:
    """Key id and token tell which set is meant; the object need not be the same."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock), clock=clock)
    first = await provider()
    assert provider.invalidate(first.replace(expiration=None, source="elsewhere"))


async def test_refresh_begun_before_is_not_believed() -> None:
    """The set of a refresh that was in the air when a set was invalidated is not published."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 600)
    upstream.latency = 5.0
    assert await provider() is first  # starts the refresh in the background
    await anyio.sleep(1)
    assert provider.invalidate(first)
    assert (await provider()).access_key_id == "AKID3"
    assert upstream.calls == 3


async def test_waiters_of_a_refresh_that_is_not_believed_get_the_next_one() -> None:
    """Callers that wait while the set is invalidated wait for a refresh that was begun after that."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=HOUR)
    provider = anycreds.cached(upstream, clock=clock)
    first = await provider()
    await anyio.sleep(HOUR - 30)
    upstream.latency = 2.0
    got = []

    async def ask() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.sleep(1)
        provider.invalidate(first)
    assert got == ["AKID3"] * 5


async def test_one_call_a_second_whatever_is_invalidated() -> None:
    """A program that invalidates every set it gets asks the source once a second, not in a loop."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    while clock.monotonic() < 10:
        provider.invalidate(await provider())
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    assert min(gaps) >= 1.0


async def test_source_that_insists_is_believed_for_five_minutes() -> None:
    """If the source gives the dropped set again it is served, and dropped again only after five minutes."""
    clock = VirtualClock()
    stubborn = make_credentials("A", clock.time() + 6 * HOUR)
    upstream = FakeSource(clock, *[stubborn] * 5)
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
    await anyio.sleep(20)
    assert provider.invalidate(again)
    await provider()
    assert upstream.calls == 3


async def test_nothing_cached_nothing_to_drop() -> None:
    """``invalidate`` on an empty cache does nothing."""
    clock = VirtualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    assert not provider.invalidate(make_credentials("A", None))
    await provider()
    assert upstream.calls == 1
