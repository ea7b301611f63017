"""A provider that comes to await itself gets an error, not a deadlock."""

from __future__ import annotations

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio


async def test_provider_that_awaits_itself() -> None:
    """A cached function that awaits its own cache is told, with the way it went."""

    async def myself() -> anycreds.Credentials:
        return await provider()

    provider = anycreds.cached(myself)
    with pytest.raises(anycreds.ReentrantProviderError, match="myself"):
        await provider()


async def test_provider_that_awaits_itself_through_a_chain() -> None:
    """A chain around it changes nothing."""

    async def myself() -> anycreds.Credentials:
        return await provider()

    provider = anycreds.cached(anycreds.create_credential_chain(anycreds.from_env(environ={}), myself))
    with pytest.raises(anycreds.ReentrantProviderError):
        await provider()


async def test_chain_without_a_cache_that_awaits_itself() -> None:
    """Without a cache it is an error too, not an endless recursion."""

    async def myself() -> anycreds.Credentials:
        return await chain()

    chain = anycreds.create_credential_chain(myself)
    with pytest.raises(anycreds.ReentrantProviderError, match="credential chain"):
        await chain()


async def test_two_providers_that_await_each_other_asked_at_once() -> None:
    """Asked in the same instant, both are told; neither waits for ever."""

    async def first() -> anycreds.Credentials:
        await anyio.sleep(1)
        return await b()

    async def second() -> anycreds.Credentials:
        await anyio.sleep(1)
        return await a()

    a, b = anycreds.cached(first), anycreds.cached(second)
    errors: list[BaseException] = []

    async def ask(provider: anycreds.CachedProvider) -> None:
        with pytest.raises(anycreds.ReentrantProviderError, match=r"first.*second|second.*first") as caught:
            await provider()
        errors.append(caught.value)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, a)
            tasks.start_soon(ask, b)
    assert len(errors) == 2


async def test_diamond_is_no_circle() -> None:
    """Two providers that share a third, and a fourth that needs both, are fine: nothing waits for itself."""
    clock = VirtualClock()
    calls = 0

    async def base() -> anycreds.Credentials:
        nonlocal calls
        calls += 1
        await anyio.sleep(1)
        return anycreds.Credentials("AKID", "shh")

    root = anycreds.cached(base, clock=clock)

    async def left() -> anycreds.Credentials:
        return await root()

    async def right() -> anycreds.Credentials:
        return await root()

    one, other = anycreds.cached(left), anycreds.cached(right)

    async def top() -> anycreds.Credentials:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(other)
        return await one()

    assert (await anycreds.cached(top)()).access_key_id == "AKID"
    assert calls == 1


async def test_same_provider_asked_by_siblings_is_no_circle() -> None:
    """Many tasks that ask one provider without a cache at once do not take each other for a circle."""

    async def source() -> anycreds.Credentials:
        await anyio.sleep(1)
        return anycreds.Credentials("AKID", "shh")

    chain = anycreds.create_credential_chain(source)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(chain)


async def test_background_refresh_may_ask_who_started_it() -> None:
    """A provider whose refresh was started, but is not awaited, by another may await that other."""
    clock = VirtualClock()
    started = False

    async def inner_source() -> anycreds.Credentials:
        if started:
            await anyio.sleep(1)
            await outer()
        return make_credentials("INNER", clock.time() + 3600)

    async def outer_source() -> anycreds.Credentials:
        await inner()  # in its advisory window: this starts a refresh and returns at once
        await anyio.sleep(5)
        return anycreds.Credentials("AKOUTER", "shh")

    inner = anycreds.cached(inner_source, clock=clock)
    outer = anycreds.cached(outer_source, clock=clock)
    await inner()
    started = True
    await anyio.sleep(3000)
    assert (await outer()).access_key_id == "AKOUTER"
