"""A provider that awaits itself gets an error, not a deadlock."""

from __future__ import annotations

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio


@pytest.mark.fault("C04")
async def test_provider_that_awaits_itself() -> None:
    """A cached function that awaits its own cache gets an error with the path."""

    async def source() -> anycreds.Credentials:
        return await provider()

    provider = anycreds.cached(source)
    with pytest.raises(anycreds.ReentrantProviderError, match=r"source.* -> .*source"):
        await provider()


@pytest.mark.fault("C04")
async def test_provider_that_awaits_itself_through_a_chain() -> None:
    """A cached chain whose member awaits the cache gets the error too."""

    async def source() -> anycreds.Credentials:
        return await provider()

    provider = anycreds.cached(anycreds.create_credential_chain(anycreds.from_env(environ={}), source))
    with pytest.raises(anycreds.ReentrantProviderError):
        await provider()


@pytest.mark.fault("C04")
async def test_uncached_chain_that_awaits_itself() -> None:
    """Without a cache it is an error too, not an endless recursion."""

    async def source() -> anycreds.Credentials:
        return await chain()

    chain = anycreds.create_credential_chain(source)
    with pytest.raises(anycreds.ReentrantProviderError, match="credential chain"):
        await chain()


@pytest.mark.fault("C04")
async def test_two_providers_that_await_each_other() -> None:
    """Called at the same time, both get the error; neither waits forever."""

    async def first() -> anycreds.Credentials:
        await anyio.sleep(1)
        return await b()

    async def second() -> anycreds.Credentials:
        await anyio.sleep(1)
        return await a()

    a, b = anycreds.cached(first), anycreds.cached(second)
    errors: list[BaseException] = []

    async def call(provider: anycreds.CachedProvider) -> None:
        with pytest.raises(anycreds.ReentrantProviderError, match=r"first.*second|second.*first") as caught:
            await provider()
        errors.append(caught.value)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, a)
            tasks.start_soon(call, b)
    assert len(errors) == 2


@pytest.mark.fault("C04")
async def test_shared_provider_is_no_cycle() -> None:
    """Two providers that share a third, and a fourth that awaits both, get credentials: no provider awaits itself."""
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


async def test_waiting_for_a_provider_that_waits_by_two_ways_is_no_cycle() -> None:
    """A caller may wait for a refresh that waits for one slow provider by two others: that is no cycle."""

    async def base() -> anycreds.Credentials:
        await anyio.sleep(2)
        return anycreds.Credentials("AKID", "shh")

    async def left() -> anycreds.Credentials:
        return await root()

    async def right() -> anycreds.Credentials:
        return await root()

    async def top() -> anycreds.Credentials:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(other)
        return await root()

    async def late() -> anycreds.Credentials:
        await anyio.sleep(1)
        return await shared()

    root, one, other = anycreds.cached(base), anycreds.cached(left), anycreds.cached(right)
    shared, last = anycreds.cached(top), anycreds.cached(late)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shared)
        assert (await last()).access_key_id == "AKID"


async def test_concurrent_calls_are_no_cycle() -> None:
    """Many tasks that call one uncached provider at the same time get no error."""

    async def source() -> anycreds.Credentials:
        await anyio.sleep(1)
        return anycreds.Credentials("AKID", "shh")

    chain = anycreds.create_credential_chain(source)
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(chain)


async def test_background_refresh_may_await_the_provider_that_started_it() -> None:
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
