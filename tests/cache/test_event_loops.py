"""One provider, many event loops: one after another, on both libraries, in threads, and in forked processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

import anycreds
from anycreds.testing import ManualClock
from support.fake_source import FakeSource


class BrokenError(Exception):
    """Something of the program's own."""


def test_asyncio_run_twice_with_a_cancel_in_the_first() -> None:
    """A run that ends in the middle of a refresh leaves nothing behind that disturbs the next run."""
    upstream = FakeSource(ManualClock(), latency=0.02, life=None)
    provider = anycreds.cached(upstream)

    async def give_up() -> None:
        with anyio.move_on_after(0.001):
            await provider()

    async def ask() -> str:
        return (await provider()).access_key_id

    asyncio.run(give_up())
    assert asyncio.run(ask()) == "AKID2"
    assert asyncio.run(ask()) == "AKID2"
    assert upstream.calls == 2


def test_alternating_runs_on_trio_and_asyncio_with_a_cancel_in_each() -> None:
    """Fifty runs, by turns on trio and asyncio, each with a cancelled caller, share one provider without a failure."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.001)
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> str:
        with anyio.move_on_after(0):
            await provider()
        return (await provider()).access_key_id

    for number in range(1, 51):
        backend = "trio" if number % 2 else "asyncio"
        assert anyio.run(main, backend=backend) == f"AKID{upstream.calls}"
        clock.advance(2 * 3600)
    assert upstream.calls == 50


def test_many_short_runs_get_the_advisory_refresh_done() -> None:
    """A program of runs that each end before the background refresh does still gets a new set: the second one waits."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.02)
    provider = anycreds.cached(upstream, clock=clock)

    async def ask() -> str:
        return (await provider()).access_key_id

    assert asyncio.run(ask()) == "AKID1"
    clock.advance(50 * 60)
    assert asyncio.run(ask()) == "AKID1"  # starts a refresh that ends with its run
    assert asyncio.run(ask()) == "AKID3"
    assert upstream.calls == 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_crash_of_the_program_passes_unchanged(backend: str) -> None:
    """An error of the program that ends the run in the middle of a refresh is all that comes out of it."""
    provider = anycreds.cached(FakeSource(ManualClock(), latency=1.0))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider)
            await anyio.sleep(0.01)
            raise BrokenError

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(main, backend=backend)
    assert [type(error) for error in caught.value.exceptions] == [BrokenError]


def test_loop_closed_without_a_goodbye() -> None:
    """A loop that is closed with a refresh in it, uncancelled, does not keep the next loop from refreshing."""
    upstream = FakeSource(ManualClock(), latency=0.02, life=None)
    provider = anycreds.cached(upstream)

    async def give_up() -> None:
        with anyio.move_on_after(0.001):
            await provider()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio complains of the task that the program dropped
    loop.run_until_complete(give_up())
    left = asyncio.all_tasks(loop)
    loop.close()
    assert len(left) == 1
    assert asyncio.run(one_id(provider)) == "AKID2"
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # the program's own fault, seen above
    del left, task
    gc.collect()


async def one_id(provider: anycreds.CachedProvider) -> str:
    """Return the key id that the provider gives."""
    return (await provider()).access_key_id


def test_eight_threads_with_loops_of_their_own() -> None:
    """Eight threads, half on trio, half on asyncio, share a provider: a call per loop at most, and no mixed sets."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.01, life=None)
    provider = anycreds.cached(upstream, clock=clock)
    barrier = threading.Barrier(8)
    got: list[anycreds.Credentials] = []
    failures: list[BaseException] = []

    async def main() -> None:
        async def ask() -> None:
            for _ in range(50):
                got.append(await provider())
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(ask)

    def work(number: int) -> None:
        barrier.wait()
        try:
            anyio.run(main, backend="trio" if number % 2 else "asyncio")
        except BaseException as error:  # noqa: BLE001 - for the main thread to see
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(got) == 8 * 10 * 50
    assert 1 <= upstream.calls <= 8
    for one in got:
        name = one.access_key_id.removeprefix("AKID")
        assert one.secret_access_key.endswith(f"-{name}")
        assert one.session_token is not None
        assert one.session_token.endswith(f"-{name}")


def test_threads_and_invalidation_do_not_tear_a_set() -> None:
    """While four threads read and invalidate at random, every set that is served is whole."""
    upstream = FakeSource(ManualClock(), life=None)
    clock = ManualClock()
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> None:
        for _ in range(200):
            one = await provider()
            name = one.access_key_id.removeprefix("AKID")
            assert one.secret_access_key.endswith(f"-{name}")
            provider.invalidate(one)
            clock.advance(2)
            await anyio.lowlevel.checkpoint()

    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - for the main thread to see
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_forked_process_keeps_the_set_and_can_refresh(backend: str) -> None:
    """A child forked with a refresh in the air and the lock held serves the set it has, and refreshes by itself."""
    clock = ManualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    anyio.run(provider, backend=backend)
    clock.advance(50 * 60)
    flying, done = threading.Event(), threading.Event()

    async def stay_in_the_air() -> None:
        upstream.latency = 30.0
        await provider()  # starts a refresh in the background
        await anyio.sleep(0.001)
        flying.set()
        await anyio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=lambda: anyio.run(stay_in_the_air, backend=backend))
    thread.start()
    flying.wait()
    with provider._state._lock:  # as another thread may hold it in that very instant
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            serve_and_refresh_as_child(provider, upstream, clock, backend, writing)
    done.set()
    thread.join()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert told == "AKID1 AKID3"


def serve_and_refresh_as_child(
    provider: anycreds.CachedProvider, upstream: FakeSource, clock: ManualClock, backend: str, writing: int
) -> None:
    """Tell which set the child is served, and which after the end of that; then end the process."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner has one of its own
    signal.alarm(20)  # the child ends, whatever happens
    status = 1
    try:
        upstream.latency = 0.0
        first = anyio.run(provider, backend=backend)
        clock.advance(3600)
        second = anyio.run(provider, backend=backend)
        os.write(writing, f"{first.access_key_id} {second.access_key_id}".encode())
        status = 0
    finally:
        os._exit(status)


@pytest.mark.parametrize(
    "uvloop", [False, pytest.param(True, marks=pytest.mark.skipif(sys.platform == "win32", reason="no uvloop"))]
)
def test_flight_cancelled_from_outside_lets_the_waiters_decide_again(uvloop: bool) -> None:
    """Whoever cancels every other task of the loop, the refresh among them, makes the waiters start another one."""
    upstream = FakeSource(ManualClock(), latency=0.02, life=None)
    provider = anycreds.cached(upstream)

    async def main() -> list[str]:
        got: list[str] = []

        async def ask() -> None:
            got.append((await provider()).access_key_id)

        asking = [asyncio.create_task(ask()) for _ in range(5)]
        await asyncio.sleep(0.005)
        cancel_refreshes(asking)
        await asyncio.gather(*asking)
        return got

    assert anyio.run(main, backend_options={"use_uvloop": uvloop}) == ["AKID2"] * 5


def cancel_refreshes(asking: list[asyncio.Task[Any]]) -> None:
    """Cancel every task but this one and those."""
    for task in asyncio.all_tasks() - {*asking, asyncio.current_task()}:
        task.cancel()


def test_flight_cancelled_again_and_again_is_told() -> None:
    """After three refreshes that others cancelled a caller gets an error that says so."""
    provider = anycreds.cached(FakeSource(ManualClock(), latency=1.0))

    async def main() -> None:
        asking = asyncio.create_task(provider())
        for _ in range(3):
            await asyncio.sleep(0.005)
            cancel_refreshes([asking])
        with pytest.raises(anycreds.RetrievalError, match="3 consecutive refreshes were cancelled"):
            await asking

    asyncio.run(main())


@pytest.mark.parametrize("latency", [0.0, 0.005])
def test_eager_tasks_change_nothing(latency: float) -> None:
    """Where asyncio starts tasks at once (3.12 can), a refresh may even end before anybody waits: still one call."""
    upstream = FakeSource(ManualClock(), life=None, latency=latency)
    provider = anycreds.cached(upstream)

    async def main() -> list[str]:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        tasks = [asyncio.create_task(one_id(provider)) for _ in range(100)]
        return [await task for task in tasks]

    assert asyncio.run(main()) == ["AKID1"] * 100
    assert upstream.calls == 1


def test_trio_run_that_ends_in_mid_air_is_quiet() -> None:
    """On trio, whose run cancels the refresh when main is done, the next run starts afresh."""
    upstream = FakeSource(ManualClock(), latency=0.02, life=None)
    provider = anycreds.cached(upstream)

    async def give_up() -> None:
        with trio.move_on_after(0.001):
            await provider()

    trio.run(give_up)
    assert upstream.running == 0
    assert trio.run(one_id, provider) == "AKID2"


def test_trio_as_a_guest_of_asyncio() -> None:
    """In trio's guest mode the refresh belongs to the trio run, not to the loop that hosts it."""
    upstream = FakeSource(ManualClock(), latency=0.01, life=None)
    provider = anycreds.cached(upstream)

    async def host() -> str:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            one_id, provider, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        answer: str = (await done).unwrap()
        return answer

    assert asyncio.run(host()) == "AKID1"


def test_nothing_is_kept_of_a_provider_that_is_dropped() -> None:
    """A provider that nobody holds is collected, fork hook and all."""
    import weakref

    provider = anycreds.cached(FakeSource(ManualClock(), life=None))
    asyncio.run(one_id(provider))
    watch = weakref.ref(provider)
    del provider
    gc.collect()
    assert watch() is None


def test_outside_of_any_loop_it_says_so() -> None:
    """Awaited by hand, without an event loop, a cold provider raises ``RuntimeError`` at once."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        anycreds.cached(FakeSource(ManualClock(), life=None))().send(None)
