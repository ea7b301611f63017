"""``keep_fresh`` blocks that come and go beside callers and other blocks, which may need the same refresh."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock, virtual_backend
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource
from support.goals import RecordGoal

pytestmark = pytest.mark.anyio

HOUR = 3600.0


class EndingSource(FakeSource):
    """A source that notes when each call ends, and how many were cancelled."""

    def __init__(self, clock: VirtualClock, life: float, latency: float) -> None:
        super().__init__(clock, life=life, latency=latency)
        self.ended: list[float] = []
        self.cleanup = 0.0
        self.cancelled = 0

    async def __call__(self) -> anycreds.Credentials:
        try:
            return await super().__call__()
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.cleanup)
            raise
        finally:
            self.ended.append(self.clock.monotonic())


async def test_refresh_that_a_caller_waits_for_goes_on() -> None:
    """A block that is left while a caller waits for its refresh leaves that refresh alone."""
    clock = VirtualClock()
    source = EndingSource(clock, life=100.0, latency=0.0)
    provider = anycreds.cached(source, clock=clock)
    got = []

    async def call() -> None:
        got.append((await provider()).access_key_id)

    async with anyio.create_task_group() as tasks:
        async with provider.keep_fresh():
            source.latency = 55.0
            await anyio.sleep(101)  # the refresh of the block is in progress, and the credentials have expired
            tasks.start_soon(call)
            await anyio.sleep(1)
            left = clock.monotonic()
        assert clock.monotonic() == left
        assert source.running == 1
    assert got == ["AKID2"]
    assert (source.calls, source.cancelled) == (2, 0)


async def test_refresh_that_another_block_needs_goes_on() -> None:
    """Of several blocks all but the last let the refresh go on, also if the others have just begun."""
    clock = VirtualClock()
    source = EndingSource(clock, life=HOUR, latency=0.0)
    provider = anycreds.cached(source, clock=clock)
    async with provider.keep_fresh():
        async with provider.keep_fresh():
            source.latency = 50.0
            while not source.running:  # noqa: ASYNC110 - under virtual time
                await anyio.sleep(1)
        assert source.running == 1
        await anyio.sleep(1)
        assert source.running == 1
        new = provider.keep_fresh()
        await new.__aenter__()
    assert (source.running, source.cancelled) == (1, 0)
    await new.__aexit__(None, None, None)
    assert (source.running, source.cancelled) == (0, 1)


async def test_callers_that_join_withdrawn_refreshes_get_credentials() -> None:
    """A caller that joins refreshes just as their last block has cancelled them gets credentials, not an error.

    Each next refresh starts a second after the last one has ended, cleanup included.
    """
    clock = VirtualClock()
    source = EndingSource(clock, life=100.0, latency=60.0)
    source.cleanup = 1.5
    provider = anycreds.cached(source, clock=clock)
    got: list[str] = []

    async def call() -> None:
        got.append((await provider()).access_key_id)

    with anyio.move_on_after(0.5):
        await provider()
    async with anyio.create_task_group() as tasks:
        for count in range(1, 6):
            refresh = provider._state.refreshes.own(provider._runtime.current_loop())
            assert refresh is not None
            if count == 1:
                assert refresh.withdraw()
                tasks.start_soon(call)
                await anyio.sleep(0.1)
                assert refresh.withdraw()  # by another block: a caller waits, but it is cancelled already
            else:
                await anyio.sleep(1.5)
                assert not refresh.withdraw()
                refresh.is_withdrawn = True  # as if the caller had joined it a moment later
                await refresh.cancel()
            await anyio.sleep(2)
        source.latency = 0.0
        refresh = provider._state.refreshes.own(provider._runtime.current_loop())
        assert refresh is not None
        refresh.is_withdrawn = True
        await refresh.cancel()
    assert got == ["AKID7"]
    assert source.cancelled == 6
    assert all(begun - ended >= 1.0 for ended, begun in zip(source.ended, source.started[1:], strict=False))


def test_cancelled_while_leaving_a_block() -> None:
    """The cancellation of asyncio, which ignores shields, does not let the refresh of a block outlive it."""

    async def main() -> None:
        clock = VirtualClock()
        source = EndingSource(clock, life=HOUR, latency=0.0)
        source.cleanup = 1.0
        provider = anycreds.cached(source, clock=clock)

        async def use_block() -> None:
            async with provider.keep_fresh():
                source.latency = 50.0
                while not source.running:  # noqa: ASYNC110 - under virtual time
                    await asyncio.sleep(1)

        task = asyncio.create_task(use_block())
        while not source.cancelled:  # noqa: ASYNC110 - under virtual time
            await asyncio.sleep(0.25)
        assert len(source.ended) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(source.ended) == 2
        assert provider._state.open_blocks == []

    backend, options = virtual_backend("asyncio")
    anyio.run(main, backend=backend, backend_options=options)


@pytest.mark.fault("C02")
@pytest.mark.goal("G6")
async def test_blocks_that_come_and_go(goal: RecordGoal) -> None:
    """Blocks of one request each cut off no refresh that anyone waits for, and no two calls are within a second."""
    clock, rng = VirtualClock(), random.Random(1)
    source = EndingSource(clock, life=6.0, latency=0.7)
    provider = anycreds.cached(source, clock=clock)
    served = []

    async def use_block() -> None:
        async with provider.keep_fresh() as fresh:
            await anyio.sleep(rng.uniform(0, 0.5))
            served.append(fresh.credentials)

    async def call() -> None:
        with anyio.move_on_after(rng.choice([0.2, 100])) as patience:
            served.append(await provider())
        assert not patience.cancelled_caught or patience.deadline - clock.monotonic() < 1

    async with anyio.create_task_group() as tasks:
        for _ in range(1000):
            tasks.start_soon(rng.choice([use_block, call]))
            await anyio.sleep(rng.uniform(0, 0.3))
    gaps = [begun - ended for ended, begun in zip(source.ended, source.started[1:], strict=False)]
    assert source.cancelled > 5  # those that were needed by none
    assert min(gaps) >= 1.0 - 1e-6
    assert len(served) > 900
    rate = 1 / min(later - earlier for earlier, later in pairwise(source.started))
    goal(
        "G6",
        figure="at most {rate} calls a second while blocks come and go",
        budget="{blocks} blocks",
        rate=rate,
        blocks=1000,
    )
