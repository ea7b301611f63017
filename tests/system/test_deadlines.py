"""Tests of time limits, and of the timers behind them on trio."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import anyio
import pytest
import trio
import trio.testing

from anycreds._system.deadlines import TimeLimit
from anycreds._system.event_loop import timers
from anycreds._system.trio_timers import TrioTimers, timers_of_run
from anycreds.testing import virtual_backend

each_virtual_loop = pytest.mark.parametrize("backend", ["asyncio", "trio"])
LONG = 1000.0  # seconds, virtual ones


@each_virtual_loop
def test_limit_ends_exactly_on_time(backend: str) -> None:
    """A body that takes longer is cancelled exactly at the end of its limit; one that does not is left alone."""

    async def main() -> None:
        for seconds in (0.1, 0.3, 7.0):
            started = anyio.current_time()
            with TimeLimit(seconds):
                await anyio.sleep(LONG)
                raise AssertionError
            assert anyio.current_time() == started + seconds
        started = anyio.current_time()
        with TimeLimit(1.0):
            await anyio.sleep(0.999)
        await anyio.sleep(1.0)
        assert anyio.current_time() == started + 1.999

    name, options = virtual_backend(backend)
    anyio.run(main, backend=name, backend_options=options)


@each_virtual_loop
def test_limits_within_and_beside_each_other(backend: str) -> None:
    """Many limits at once, one within the other, end each at its own time."""
    ended: list[tuple[float, float]] = []

    async def limited(outer: float, inner: float) -> None:
        with TimeLimit(outer):
            with TimeLimit(inner):
                await anyio.sleep(LONG)
            ended.append((inner, anyio.current_time()))
            await anyio.sleep(LONG)
        ended.append((outer, anyio.current_time()))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(limited, 100.0 - number, 20.0 + number)

    name, options = virtual_backend(backend)
    anyio.run(main, backend=name, backend_options=options)
    assert [limit for limit, _ in ended] == sorted(limit for limit, _ in ended)
    assert all(limit == moment for limit, moment in ended)
    assert len(ended) == 40


@each_virtual_loop
def test_what_is_ready_at_the_end_is_used(backend: str) -> None:
    """A wait that ends at the very moment of its limit has its result, and is not cancelled."""
    results: list[str] = []

    async def main() -> None:
        event = anyio.Event()
        # Made first, so that the limit expires first.
        timers().call_at(anyio.current_time() + 1.0, lambda: timers().call_at(timers().time(), event.set))
        with TimeLimit(1.0):
            await event.wait()
            results.append("ready")

    name, options = virtual_backend(backend)
    anyio.run(main, backend=name, backend_options=options)
    assert results == ["ready"]


@pytest.mark.trio
async def test_timers_of_trio(autojump_clock: trio.testing.MockClock) -> None:
    """On trio timers are called in the order of their times, except cancelled ones, even if one cancels another."""
    called: list[tuple[str, float]] = []

    def note(name: str) -> None:
        called.append((name, round(trio.current_time() - started, 3)))

    started = trio.current_time()
    found = timers_of_run()
    found.call_at(started + 3, lambda: note("third"))
    found.call_at(started + 1, lambda: note("first"))
    found.call_at(started + 1, lambda: cancelled.cancel())  # noqa: PLW0108 - it is made below
    found.call_at(started + 1, lambda: note("second"))
    cancelled = found.call_at(started + 1, lambda: note("fourth"))
    found.call_at(started + 2, lambda: note("fifth")).cancel()
    found.call_at(started + 9, lambda: note("sixth")).cancel()
    await trio.sleep(100)
    assert called == [("first", 1), ("second", 1), ("third", 3)]
    assert found._heap == []


@pytest.mark.trio
async def test_one_task_for_all_timers_of_a_run(autojump_clock: trio.testing.MockClock) -> None:
    """The timers of a run of trio have one task, which waits for nothing when there is no timer."""
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(10):
        with TimeLimit(1.0), TimeLimit(60.0):
            await trio.lowlevel.checkpoint()
    await trio.testing.wait_all_tasks_blocked()
    statistics = trio.lowlevel.current_statistics()
    assert statistics.tasks_living <= before + 1
    assert statistics.seconds_to_next_deadline == float("inf")


def test_limit_while_a_run_of_trio_ends() -> None:
    """A limit works in the finalizer of an asynchronous generator, which runs when trio has ended its system tasks."""
    results: list[float] = []

    async def generate() -> AsyncIterator[None]:
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                started = trio.current_time()
                with TimeLimit(5.0):
                    await trio.sleep(LONG)
                results.append(trio.current_time() - started)

    async def main(has_limit_before: bool) -> None:
        if has_limit_before:
            with TimeLimit(1.0):
                await trio.lowlevel.checkpoint()
        kept.append(generated := generate())
        await anext(generated)

    kept: list[AsyncIterator[None]] = []
    for has_limit_before in (False, True):
        trio.run(main, has_limit_before, clock=trio.testing.MockClock(autojump_threshold=0))
    assert results == [5.0, 5.0]


def test_timers_end_with_their_run() -> None:
    """A run of trio that has ended leaves no timers behind."""

    async def main() -> None:
        with TimeLimit(1.0):
            await trio.lowlevel.checkpoint()

    def count() -> int:
        gc.collect()
        return sum(isinstance(one, TrioTimers) for one in gc.get_objects())

    before = count()  # of runs that other tests have not let go yet
    for _ in range(3):
        trio.run(main)
    assert count() <= before
