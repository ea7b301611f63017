"""One provider in many event loops: one after another, on both backends, in threads, and in forked processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio
import uvloop

import anycreds
from anycreds.testing import ManualClock
from support.budget import Budget
from support.fake_source import FakeSource, make_credentials
from support.goals import RecordGoal

pytestmark = pytest.mark.realtime

# A latency in seconds that no test waits for, however slow the machine is.
HANGS = 3600.0


class BrokenError(Exception):
    """An error of the program."""


@pytest.mark.fault("C06")
def test_second_run_after_a_cancelled_refresh() -> None:
    """A run that ends during a refresh does not affect the next run."""
    upstream = FakeSource(ManualClock(), latency=HANGS, life=None)
    provider = anycreds.cached(upstream)

    async def call_briefly() -> None:
        with anyio.move_on_after(0.001):
            await provider()
        upstream.latency = 0.0

    async def call() -> str:
        return (await provider()).access_key_id

    asyncio.run(call_briefly())
    assert asyncio.run(call()) == "AKID2"
    assert asyncio.run(call()) == "AKID2"
    assert upstream.calls == 2


@pytest.mark.fault("C06")
@pytest.mark.goal("G12", scale=2)
def test_alternating_runs_on_trio_and_asyncio(budget: Budget, goal: RecordGoal) -> None:
    """Many runs, alternating between trio and asyncio, each with a cancelled caller, share one provider."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.001)
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> str:
        with anyio.move_on_after(0):
            await provider()
        return (await provider()).access_key_id

    served = 0
    for number in range(runs := budget.count(50)):
        served += anyio.run(main, backend="asyncio" if number % 2 else "trio") == f"AKID{upstream.calls}"
        clock.advance(2 * 3600)
    goal("G12", "{served} of {runs} alternating runs", "{runs} of 100 runs", served=served, runs=runs)
    assert served == upstream.calls == runs


@pytest.mark.fault("C14")
def test_short_runs_wait_for_a_refresh_in_the_mandatory_window_only() -> None:
    """Runs that end before their background refresh get the valid credentials; in the last minute a run waits."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.02)
    provider = anycreds.cached(upstream, clock=clock)

    async def call() -> str:
        return (await provider()).access_key_id

    assert asyncio.run(call()) == "AKID1"
    clock.advance(50 * 60)
    for _ in range(3):  # each starts a refresh, which ends with the run
        assert asyncio.run(call()) == "AKID1"
        clock.advance(1)
    clock.advance(9 * 60)
    assert asyncio.run(call()) == "AKID5"
    assert upstream.calls == 5


@pytest.mark.fault("C14")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_impatient_callers_in_short_runs_get_the_valid_credentials(backend: str) -> None:
    """With ten minutes left, callers with little patience in runs that end before a refresh are all served."""
    clock = ManualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    anyio.run(provider, backend=backend)
    clock.advance(50 * 60)
    upstream.latency = HANGS

    async def call() -> str:
        with anyio.move_on_after(0.05):
            return (await provider()).access_key_id
        return "none"

    for _ in range(30):
        assert anyio.run(call, backend=backend) == "AKID1"
        clock.advance(0.1)
    assert upstream.calls <= 1 + 3  # aborted calls too are a second apart


@pytest.mark.goal("G6")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_short_runs_call_the_source_once_a_second(backend: str, goal: RecordGoal) -> None:
    """Runs without credentials that each end before the source responds call it once a second, in all of them."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=HANGS, life=None)
    provider = anycreds.cached(upstream, clock=clock)

    async def call() -> None:
        with anyio.move_on_after(0.002):
            await provider()

    for _ in range(50):
        anyio.run(call, backend=backend)
        clock.advance(0.125)
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    goal("G6", "at most {rate} calls a second in short runs", "{runs} runs", rate=1 / min(gaps), runs=50)
    assert 5 <= upstream.calls <= 7
    assert min(gaps) >= 1.0
    upstream.latency = 0.0
    clock.advance(1)
    assert anyio.run(provider, backend=backend).access_key_id == f"AKID{upstream.calls}"


@pytest.mark.fault("C14")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_error_of_the_program_is_raised_unchanged(backend: str) -> None:
    """An error of the program that ends the run during a refresh is the only error that is raised."""
    provider = anycreds.cached(FakeSource(ManualClock(), latency=1.0))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider)
            await anyio.sleep(0.01)
            raise BrokenError

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(main, backend=backend)
    assert [type(error) for error in caught.value.exceptions] == [BrokenError]


@pytest.mark.fault("C14")
def test_loop_closed_with_a_refresh_in_it() -> None:
    """A loop that is closed during a refresh, without cancelling it, delays the next loop's by up to a second."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=HANGS, life=None)
    provider = anycreds.cached(upstream, clock=clock)

    async def call_briefly() -> None:
        with anyio.move_on_after(0.001):
            await provider()
        upstream.latency = 0.0

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio reports the task that the program has dropped
    loop.run_until_complete(call_briefly())
    remaining = asyncio.all_tasks(loop)
    loop.close()
    assert len(remaining) == 1
    asyncio.run(call_briefly())
    assert upstream.calls == 1  # the dropped call was less than a second ago
    clock.advance(1)
    assert asyncio.run(get_key_id(provider)) == "AKID2"
    for task in remaining:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # expected, see above
    del remaining, task
    gc.collect()


@pytest.mark.fault("C06", "C14")
@pytest.mark.parametrize("is_shared", [True, False], ids=["one provider", "a provider for each loop"])
@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_closed_loops_are_freed(make_loop: Callable[[], asyncio.AbstractEventLoop], *, is_shared: bool) -> None:
    """Of many loops that were closed during a refresh, with a connection, not more than the last one stays."""
    left: list[weakref.ref[socket.socket]] = []
    clock = ManualClock()

    async def source() -> anycreds.Credentials:
        here, there = socket.socketpair()
        left.append(weakref.ref(here))
        with here, there:
            await anyio.wait_readable(here)
        raise AssertionError

    def call_in_loop(provider: anycreds.CachedProvider) -> None:
        async def call() -> None:
            task = asyncio.ensure_future(provider())
            while len(left) == before:  # noqa: ASYNC110 - the source has not begun
                await asyncio.sleep(0.001)
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # the program drops it

        before = len(left)
        loop = make_loop()
        loop.run_until_complete(call())
        loop.close()

    provider = anycreds.cached(source, clock=clock)
    kept = []  # a provider lives longer than its loop
    for _ in range(20):
        clock.advance(2)  # the source is called once a second
        call_in_loop(provider)
        if not is_shared:
            kept.append(provider)
            provider = anycreds.cached(source, clock=clock)
    gc.collect()
    assert sum(reference() is not None for reference in left) <= 1
    asyncio.run(get_key_id(anycreds.cached(FakeSource(clock, latency=0.001), clock=clock)))
    gc.collect()
    assert [reference() for reference in left if reference() is not None] == []


async def get_key_id(provider: anycreds.CachedProvider) -> str:
    """Return the key id that the provider returns."""
    return (await provider()).access_key_id


@pytest.mark.fault("C05")
@pytest.mark.parametrize(("lifetime", "cached"), [(3600.0, "AKID2"), (None, "AKID2"), (7200.0, "AKID1")])
def test_overtaken_refresh_does_not_replace_newer_credentials(lifetime: float | None, cached: str) -> None:
    """If another loop's refresh began later and ended earlier, its credentials stay, unless they expire earlier."""
    clock = ManualClock()
    began, may_end = asyncio.Event(), asyncio.Event()
    calls = 0

    async def source() -> anycreds.Credentials:
        nonlocal calls
        calls += 1
        if calls == 2:
            return make_credentials("2", lifetime and clock.time() + 3600)
        began.set()
        await may_end.wait()
        return make_credentials("1", lifetime and clock.time() + lifetime)

    provider = anycreds.cached(source, clock=clock)
    with closing(asyncio.new_event_loop()) as loop:
        slow = loop.create_task(get_key_id(provider))
        loop.run_until_complete(began.wait())
        assert asyncio.run(get_key_id(provider)) == "AKID2"
        may_end.set()
        assert loop.run_until_complete(slow) == cached
    assert asyncio.run(get_key_id(provider)) == cached


@pytest.mark.fault("C05", "S23")
@pytest.mark.goal("G12")
def test_eight_threads_with_one_loop_each(goal: RecordGoal) -> None:
    """Eight threads, half on trio and half on asyncio, cause one call, and never get mixed fields."""
    clock = ManualClock()
    upstream = FakeSource(clock, latency=0.01, life=None)
    provider = anycreds.cached(upstream, clock=clock)
    barrier = threading.Barrier(8)
    got: list[anycreds.Credentials] = []
    failures: list[BaseException] = []

    async def main() -> None:
        async def call() -> None:
            for _ in range(50):
                got.append(await provider())
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(call)

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
    names = [(one, one.access_key_id.removeprefix("AKID")) for one in got]
    whole = [one.secret_access_key.endswith(f"-{name}") for one, name in names]
    goal("G12", "in 8 threads {whole} whole of {got} results", whole=sum(whole), got=len(got))
    assert failures == []
    assert len(got) == 8 * 10 * 50
    assert upstream.calls == 1
    assert all(whole)
    assert all(one.session_token is not None and one.session_token.endswith(f"-{name}") for one, name in names)


@pytest.mark.fault("C05", "S23")
def test_concurrent_invalidation_never_mixes_fields() -> None:
    """While four threads call and invalidate, none is refused, and all fields of what they get belong together."""
    upstream = FakeSource(ManualClock(), life=None)
    clock = ManualClock()
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> None:
        for _ in range(50):
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


@pytest.mark.fault("C07")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.goal("G12")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_forked_process_keeps_credentials_and_can_refresh(backend: str, goal: RecordGoal) -> None:
    """A child forked during a refresh, with the lock taken, returns the cached credentials and refreshes by itself."""
    clock = ManualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)
    anyio.run(provider, backend=backend)
    clock.advance(50 * 60)
    refreshing, done = threading.Event(), threading.Event()

    async def refresh_slowly() -> None:
        upstream.latency = 30.0
        await provider()  # starts a refresh in the background
        await anyio.sleep(0.001)
        refreshing.set()
        await anyio.to_thread.run_sync(done.wait)

    thread = threading.Thread(target=lambda: anyio.run(refresh_slowly, backend=backend))
    thread.start()
    refreshing.wait()
    with provider._state._lock:  # as another thread may have taken it at that moment
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            call_and_refresh_in_child(provider, upstream, clock, backend, writing)
    done.set()
    thread.join()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        output = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert output == "AKID1 AKID3"
    goal("G12", "{forked} forked children served", forked=1)


def call_and_refresh_in_child(
    provider: anycreds.CachedProvider, upstream: FakeSource, clock: ManualClock, backend: str, writing: int
) -> None:
    """Write which credentials the child gets, and which after their expiration; then end the process."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner has its own handler
    signal.alarm(20)  # end the child in any case
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
def test_waiters_of_a_cancelled_refresh_start_another(uvloop: bool) -> None:
    """If other code cancels all tasks of the loop, the refresh included, its waiters start another refresh."""
    upstream = FakeSource(ManualClock(), latency=HANGS, life=None)
    provider = anycreds.cached(upstream)

    async def main() -> list[str]:
        got: list[str] = []

        async def call() -> None:
            got.append((await provider()).access_key_id)

        callers = [asyncio.create_task(call()) for _ in range(5)]
        await asyncio.sleep(0.005)
        upstream.latency = 0.0
        cancel_refreshes(callers)
        await asyncio.gather(*callers)
        return got

    assert anyio.run(main, backend_options={"use_uvloop": uvloop}) == ["AKID2"] * 5


def cancel_refreshes(callers: list[asyncio.Task[Any]]) -> None:
    """Cancel every task but this one and those given."""
    for task in asyncio.all_tasks() - {*callers, asyncio.current_task()}:
        task.cancel()


def test_three_cancelled_refreshes_raise_an_error() -> None:
    """After three refreshes that other code cancelled a caller gets an error that says so."""
    provider = anycreds.cached(FakeSource(ManualClock(), latency=HANGS))

    async def main() -> None:
        callers = asyncio.create_task(provider())
        for _ in range(3):
            await asyncio.sleep(0.005)
            cancel_refreshes([callers])
        with pytest.raises(anycreds.RetrievalError, match="3 consecutive refreshes were cancelled"):
            await callers

    asyncio.run(main())


@pytest.mark.fault("C18")
@pytest.mark.parametrize("latency", [0.0, 0.005])
def test_eager_tasks_cause_one_call(latency: float) -> None:
    """Where asyncio starts tasks eagerly (3.12), a refresh may end before a caller waits: there is still one call."""
    upstream = FakeSource(ManualClock(), life=None, latency=latency)
    provider = anycreds.cached(upstream)

    async def main() -> list[str]:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
        tasks = [asyncio.create_task(get_key_id(provider)) for _ in range(100)]
        return [await task for task in tasks]

    assert asyncio.run(main()) == ["AKID1"] * 100
    assert upstream.calls == 1


@pytest.mark.fault("C14")
def test_trio_run_that_ends_during_a_refresh() -> None:
    """When main ends, trio cancels the refresh without an error; the next run starts another."""
    upstream = FakeSource(ManualClock(), latency=HANGS, life=None)
    provider = anycreds.cached(upstream)

    async def call_briefly() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(provider)
            while not upstream.running:
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        upstream.latency = 0.0

    trio.run(call_briefly)
    assert upstream.running == 0
    assert trio.run(get_key_id, provider) == "AKID2"


def test_trio_guest_mode_on_asyncio() -> None:
    """In trio's guest mode the refresh belongs to the trio run, not to the host loop."""
    upstream = FakeSource(ManualClock(), latency=0.01, life=None)
    provider = anycreds.cached(upstream)

    async def host() -> str:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            get_key_id, provider, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done.set_result
        )
        key_id: str = (await done).unwrap()
        return key_id

    assert asyncio.run(host()) == "AKID1"


@pytest.mark.fault("C21")
def test_unreferenced_provider_is_collected() -> None:
    """A provider without references is collected, its fork hook included."""
    import weakref

    provider = anycreds.cached(FakeSource(ManualClock(), life=None))
    asyncio.run(get_key_id(provider))
    watch = weakref.ref(provider)
    del provider
    gc.collect()
    assert watch() is None


@pytest.mark.fault("C20")
def test_call_without_an_event_loop_raises_runtime_error() -> None:
    """Without an event loop, a call that has to wait raises ``RuntimeError`` at once."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        anycreds.cached(FakeSource(ManualClock(), life=None))().send(None)


@pytest.mark.fault("C14", "C16")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_run_that_ends_at_each_step_of_a_background_refresh(backend: str) -> None:
    """A run may end at any step of a background refresh: nothing is half cached, and the next run has credentials."""
    ended = set()
    for steps in range(12):
        clock = ManualClock()
        upstream = FakeSource(clock, latency=0.0)
        provider = anycreds.cached(upstream, clock=clock)
        assert anyio.run(get_key_id, provider, backend=backend) == "AKID1"
        clock.advance(50 * 60)

        async def main(provider: anycreds.CachedProvider = provider, steps: int = steps) -> str:
            key_id = (await provider()).access_key_id  # starts the refresh
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            return key_id

        assert anyio.run(main, backend=backend) == "AKID1"
        assert anyio.run(get_key_id, provider, backend=backend) == f"AKID{upstream.calls}"
        ended.add(upstream.calls)
    assert ended >= {2}


@pytest.mark.fault("C21")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_provider_is_dropped_during_its_refresh(backend: str) -> None:
    """A provider without references during its refresh causes no warning, and the refresh ends by itself."""
    upstream = FakeSource(ManualClock(), latency=0.2, life=None)  # longer than the garbage collection takes

    async def main() -> None:
        provider = anycreds.cached(upstream)
        with anyio.move_on_after(0.001):
            await provider()
        del provider
        gc.collect()
        assert upstream.running == 1
        while upstream.running:  # noqa: ASYNC110 - nothing is left that would set an event
            await anyio.sleep(0.01)

    anyio.run(main, backend=backend)
    gc.collect()
    assert (upstream.calls, upstream.running) == (1, 0)


@pytest.mark.fault("C18")
def test_debug_mode_of_asyncio() -> None:
    """In asyncio's debug mode, which reports slow steps and calls from other threads, calls are as usual."""
    upstream = FakeSource(ManualClock(), latency=0.001, life=None)
    provider = anycreds.cached(upstream)

    async def main() -> list[str]:
        return await asyncio.gather(*(get_key_id(provider) for _ in range(20)))

    assert asyncio.run(main(), debug=True) == ["AKID1"] * 20
    assert upstream.calls == 1
