"""One refresh for all event loops and threads: others wait for it, until its own event loop does not go on."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import pytest

import anycreds
from anycreds import Credentials, CredentialsError, ReentrantProviderError, RetrievalError
from anycreds._cache import provider as provider_module
from anycreds._cache import refreshes, remote_refresh
from anycreds._cache.outcome import ABANDONED
from anycreds._cache.refresh import InFlightRefresh
from anycreds._cache.state import CacheState
from anycreds.testing import ManualClock
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.realtime

HOUR = 3600.0
SOON = 20.0  # seconds; all that is waited for here takes milliseconds
BACKENDS = [("asyncio",), ("trio",), ("asyncio", "trio")]
PAIRS = [("asyncio", "asyncio"), ("trio", "trio"), ("asyncio", "trio"), ("trio", "asyncio")]
each_backend = pytest.mark.parametrize("backends", BACKENDS, ids="-".join)
each_pair = pytest.mark.parametrize("backends", PAIRS, ids="-".join)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check other event loops often, and let the next call follow a cancelled one at once."""
    monkeypatch.setattr(remote_refresh, "CHECK_INTERVAL", 0.005)
    monkeypatch.setattr(refreshes, "FIRST_BACKOFF", 0.0)


@pytest.fixture
def open_loop() -> Iterator[Callable[[str], anyio.from_thread.BlockingPortal]]:
    """Start event loops in threads of their own, which end with the test."""
    with ExitStack() as stack:
        yield lambda backend: stack.enter_context(anyio.from_thread.start_blocking_portal(backend))


OpenLoop = Callable[[str], anyio.from_thread.BlockingPortal]


class Held:
    """A source whose calls end when they may, in any thread, and which counts them."""

    def __init__(self, clock: ManualClock, life: float | None = HOUR) -> None:
        self.calls = self.cancelled = 0
        self.may_end = False
        self.error: BaseException | None = None
        self._clock = clock
        self._life = life

    async def __call__(self) -> Credentials:
        self.calls += 1
        number = self.calls
        try:
            while not self.may_end:  # noqa: ASYNC110 - a thread sets it
                await anyio.sleep(0.001)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return make_credentials(str(number), None if self._life is None else self._clock.time() + self._life)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for another thread."""
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.001)


def pass_time_until(clock: ManualClock, condition: Callable[[], object]) -> None:
    """Wait for another thread, and advance the clock meanwhile."""

    def happens() -> object:
        clock.advance(1.0)
        return condition()

    wait_until(happens)


def remote_waiters(provider: anycreds.CachedProvider) -> int:
    """Return how many event loops wait for the refresh of another one."""
    shared = provider._state.refreshes._shared
    return 0 if shared is None else sum(remote.is_awaited for remote in shared.remotes.copy().values())


async def key_of(provider: anycreds.CachedProvider, **options: Any) -> str:
    """Return the key id that a call gets."""
    with anyio.fail_after(SOON):
        return (await provider(**options)).access_key_id


def call_in_threads(provider: anycreds.CachedProvider, backends: tuple[str, ...], count: int = 16) -> list[str]:
    """Call in many threads at the same time, each with an event loop of its own."""
    barrier = threading.Barrier(count)

    def call(number: int) -> str:
        barrier.wait()
        return anyio.run(key_of, provider, backend=backends[number % len(backends)])

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))


@pytest.mark.fault("C05")
@each_backend
def test_threads_make_one_call(backends: tuple[str, ...]) -> None:
    """Sixteen threads with an event loop each make one call when cold, in the last minute, and after the expiration."""
    clock = ManualClock()
    source = FakeSource(clock, latency=0.02)
    provider = anycreds.cached(source, clock=clock)
    for number, seconds in enumerate((0, HOUR - 30, HOUR + 1), start=1):
        clock.advance(seconds)
        assert call_in_threads(provider, backends) == [f"AKID{number}"] * 16
        assert source.calls == number


def test_requests_with_a_loop_each_make_one_call() -> None:
    """A hundred requests that each call ``asyncio.run`` in a thread pool make one call at first, and one per expiry."""
    clock = ManualClock()
    source = FakeSource(clock, latency=0.01)
    provider = anycreds.cached(source, clock=clock)
    with ThreadPoolExecutor(20) as threads:
        for number in (1, 2, 3):
            got = list(threads.map(lambda _: asyncio.run(key_of(provider)), range(100)))
            assert got == [f"AKID{number}"] * 100
            assert source.calls == number
            clock.advance(HOUR)


@pytest.mark.anyio
async def test_caller_that_another_loop_has_overtaken_decides_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """If another loop has shared a refresh since a caller decided, the caller decides again, and is served."""
    clock = ManualClock()
    source = FakeSource(clock, latency=0.001)
    provider = anycreds.cached(source, clock=clock)
    share, answers = CacheState.share_refresh, iter([False])
    monkeypatch.setattr(
        CacheState, "share_refresh", lambda state, refresh: next(answers, True) and share(state, refresh)
    )
    assert await key_of(provider) == "AKID1"
    assert source.calls == 1


@each_pair
def test_background_refresh_counts_in_other_loops(backends: tuple[str, str], open_loop: OpenLoop) -> None:
    """While one loop refreshes in the background, callers in others get the valid credentials, without a call."""
    source, provider = in_advisory_window()
    one, two = map(open_loop, backends)
    assert [one.call(key_of, provider), two.call(key_of, provider)] == ["AKID1"] * 2
    wait_until(lambda: source.calls == 2)
    forced = two.start_task_soon(lambda: key_of(provider, refresh=True))
    wait_until(lambda: remote_waiters(provider))
    source.may_end = True
    assert forced.result() == "AKID2"
    assert source.calls == 2


def in_advisory_window() -> tuple[Held, anycreds.CachedProvider]:
    """Return a provider in its advisory window, and its source, whose next call does not end."""
    clock = ManualClock()
    source = Held(clock)
    source.may_end = True
    provider = anycreds.cached(source, clock=clock)
    assert anyio.run(key_of, provider) == "AKID1"
    clock.advance(50 * 60)
    source.may_end = False
    return source, provider


class Waiting:
    """A refresh in one event loop, for which a caller in another one waits."""

    def __init__(self, backends: tuple[str, str], open_loop: OpenLoop, source: Held, clock: ManualClock) -> None:
        self.clock = clock
        self.source = source
        self.provider = anycreds.cached(source, clock=clock)
        self.one, self.two = map(open_loop, backends)
        self.leader = self.one.start_task_soon(key_of, self.provider)
        wait_until(lambda: source.calls)
        self.waiter: Future[str] = self.two.start_task_soon(key_of, self.provider)
        wait_until(lambda: remote_waiters(self.provider))


@pytest.fixture
def waiting(backends: tuple[str, str], open_loop: OpenLoop) -> Waiting:
    """Return a refresh in one event loop, for which a caller in another one waits."""
    clock = ManualClock()
    return Waiting(backends, open_loop, Held(clock, life=None), clock)


@pytest.mark.fault("C06")
@each_pair
def test_blocked_loop_is_left(waiting: Waiting) -> None:
    """If code blocks the loop of a refresh for two seconds, callers in other loops start another refresh."""
    blocks, released = threading.Event(), threading.Event()

    async def block() -> None:
        blocks.set()
        released.wait(SOON)

    waiting.one.start_task_soon(block)
    blocks.wait(SOON)
    waiting.source.may_end = True  # in the other loop only, as this one does not run
    pass_time_until(waiting.clock, waiting.waiter.done)
    assert waiting.waiter.result() == "AKID2"
    released.set()
    assert waiting.leader.result() == "AKID2"  # the first attempt was overtaken
    assert waiting.source.calls == 2


@each_pair
def test_slow_source_is_progress(waiting: Waiting) -> None:
    """However long the source takes, a loop that goes on is waited for."""
    for _ in range(20):
        waiting.clock.advance(1.9)
        time.sleep(0.01)  # for a check
        waiting.one.call(anyio.lowlevel.checkpoint)  # which its event loop has answered after this
    assert waiting.source.calls == 1
    waiting.source.may_end = True
    assert [waiting.leader.result(), waiting.waiter.result()] == ["AKID1"] * 2


@each_pair
def test_error_is_copied_to_all_loops(waiting: Waiting) -> None:
    """Callers in all loops get the error of the one call, each a copy of its own."""
    waiting.source.error = RetrievalError("down")
    waiting.source.may_end = True
    errors = [waiting.leader.exception(), waiting.waiter.exception()]
    assert [str(error) for error in errors] == [str(errors[0])] * 2
    assert all(isinstance(error, RetrievalError) for error in errors)
    assert errors[0] is not errors[1]
    assert waiting.source.calls == 1


@pytest.mark.fault("C09")
@pytest.mark.parametrize("backends", [("asyncio", "trio"), ("trio", "asyncio")], ids="-".join)
def test_process_exit_reaches_its_own_loop_only(waiting: Waiting) -> None:
    """``SystemExit`` of the source is raised in the loop of the refresh; callers in others get an error."""
    got: list[BaseException] = []

    async def call() -> None:
        try:
            await waiting.provider()
        except SystemExit as error:
            got.append(error)

    waiting.leader.cancel()
    waiting.one.start_task_soon(call)
    waiting.one.call(anyio.lowlevel.checkpoint)
    waiting.source.error = SystemExit(3)
    waiting.source.may_end = True
    with pytest.raises(RetrievalError, match="failed with SystemExit"):
        waiting.waiter.result()
    wait_until(lambda: got)


@each_pair
def test_invalidation_during_a_shared_refresh(waiting: Waiting) -> None:
    """Credentials that were invalidated during a refresh reach no caller in any loop."""
    source, provider = waiting.source, waiting.provider
    source.may_end = True
    assert waiting.waiter.result() == "AKID1"
    source.may_end = False
    forced = waiting.one.start_task_soon(lambda: key_of(provider, refresh=True))
    wait_until(lambda: source.calls == 2)
    cached = provider._state.cached_or_none()
    assert cached is not None
    assert provider.invalidate(cached)
    other = waiting.two.start_task_soon(key_of, provider)
    wait_until(lambda: remote_waiters(provider))
    source.may_end = True
    assert [forced.result(), other.result()] == ["AKID3"] * 2
    assert source.calls == 3


@each_pair
def test_refresh_that_another_loop_waits_for_is_not_withdrawn(waiting: Waiting) -> None:
    """The end of a ``keep_fresh`` block leaves a refresh that a caller in another loop waits for."""
    source, provider = waiting.source, waiting.provider
    source.may_end = True
    assert waiting.leader.result() == "AKID1"
    waiting.waiter.result()
    source.may_end = False
    entered, may_leave = threading.Event(), threading.Event()

    async def block() -> None:
        async with provider.keep_fresh():
            with anyio.move_on_after(0):
                await provider(refresh=True)
            entered.set()
            await anyio.to_thread.run_sync(may_leave.wait)

    left = waiting.one.start_task_soon(block)
    entered.wait(SOON)
    wait_until(lambda: source.calls == 2)
    forced = waiting.two.start_task_soon(lambda: key_of(provider, refresh=True))
    wait_until(lambda: remote_waiters(provider))
    may_leave.set()
    left.result()
    source.may_end = True
    assert forced.result() == "AKID2"
    assert (source.calls, source.cancelled) == (2, 0)


@each_pair
def test_block_waits_for_a_refresh_of_another_loop(backends: tuple[str, str], open_loop: OpenLoop) -> None:
    """``keep_fresh`` waits for the refresh of another loop, and leaves it in progress at its end."""
    source, provider = in_advisory_window()
    one, two = map(open_loop, backends)
    one.call(key_of, provider)
    wait_until(lambda: source.calls == 2)
    may_leave = threading.Event()

    async def block() -> None:
        async with provider.keep_fresh():
            await anyio.to_thread.run_sync(may_leave.wait)

    left = two.start_task_soon(block)
    wait_until(lambda: remote_waiters(provider))
    may_leave.set()
    left.result()
    assert (source.calls, source.cancelled) == (2, 0)
    source.may_end = True
    wait_until(lambda: provider._state.cached_or_none() is not None)


@pytest.mark.fault("C06")
@pytest.mark.parametrize("is_closed", [True, False])
def test_loop_that_is_closed_or_stopped_is_left(is_closed: bool, open_loop: OpenLoop) -> None:
    """If the loop of a refresh is closed, or only stopped, callers in other loops start another refresh."""
    clock = ManualClock()
    source = Held(clock, life=None)
    provider = anycreds.cached(source, clock=clock)
    waiter: list[Future[str]] = []

    async def start_and_leave() -> None:
        task = asyncio.ensure_future(provider())
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # the program drops it
        while not source.calls:  # noqa: ASYNC110 - the source has not begun
            await asyncio.sleep(0.001)
        waiter.append(open_loop("asyncio").start_task_soon(key_of, provider))
        while not remote_waiters(provider):  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)

    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(start_and_leave())
        if is_closed:
            loop.close()
        source.may_end = True
        pass_time_until(clock, waiter[0].done)
        assert waiter[0].result() == "AKID2"
        if not is_closed:
            assert loop.run_until_complete(key_of(provider)) == "AKID2"
            loop.run_until_complete(asyncio.sleep(0.01))  # the first attempt ends, and is not used
            assert asyncio.run(key_of(provider)) == "AKID2"


def test_stopped_loop_is_not_waited_for() -> None:
    """A refresh in a loop that is not running at the moment is left to that loop: a caller starts its own at once."""
    clock = ManualClock()
    source = Held(clock, life=None)
    provider = anycreds.cached(source, clock=clock)

    async def call_briefly() -> None:
        with anyio.move_on_after(0.01):
            await provider()

    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(call_briefly())
        source.may_end = True
        assert asyncio.run(key_of(provider)) == "AKID2"
        assert loop.run_until_complete(key_of(provider)) == "AKID2"
        loop.run_until_complete(asyncio.sleep(0.01))


@pytest.mark.fault("C06", "C14")
@each_pair
def test_cancelled_leaders_cause_no_error(
    backends: tuple[str, str], open_loop: OpenLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many loops end during their refresh, a caller in another loop gets credentials, in the end by its own."""
    monkeypatch.setattr(provider_module, "MAX_LOST_REFRESHES", 2)
    source = Held(ManualClock(), life=None)
    provider = anycreds.cached(source)
    leads = threading.Semaphore(0)

    async def lead() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider)
            await anyio.to_thread.run_sync(leads.acquire)
            tasks.cancel_scope.cancel()

    leader = threading.Thread(target=anyio.run, args=(lead,), kwargs={"backend": backends[0]})
    leader.start()
    wait_until(lambda: source.calls == 1)
    waiter = open_loop(backends[1]).start_task_soon(key_of, provider)
    wait_until(lambda: remote_waiters(provider))
    leads.release()
    leader.join()
    wait_until(lambda: source.calls == 2)
    assert not waiter.done()
    source.may_end = True
    assert waiter.result() == "AKID2"
    assert source.cancelled == 1


def test_caller_that_waited_in_vain_does_not_wait_for_another_loop(
    open_loop: OpenLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller whose refreshes in other loops were abandoned starts one in its own, beside a new one elsewhere."""
    monkeypatch.setattr(provider_module, "MAX_LOST_REFRESHES", 1)
    source = Held(ManualClock(), life=None)
    provider = anycreds.cached(source)
    state = provider._state
    one, two, three = (open_loop("asyncio") for _ in range(3))
    calls = [one.start_task_soon(key_of, provider)]
    wait_until(lambda: source.calls == 1)
    first = state.refreshes._shared
    assert first is not None
    state.drop_refresh(first)  # as if its loop had not answered
    calls.append(two.start_task_soon(key_of, provider))
    wait_until(lambda: source.calls == 2)
    calls.append(three.start_task_soon(key_of, provider))
    wait_until(lambda: remote_waiters(provider))
    with state._lock:
        second = state.refreshes._shared
        assert second is not None
        state.refreshes.drop(second)
        state.refreshes._shared = first
    wait_until(lambda: source.calls == 3)
    source.may_end = True
    assert [call.result() for call in calls][2] == "AKID3"


def test_caller_with_valid_credentials_is_not_delayed_twice(open_loop: OpenLoop) -> None:
    """In the last minute, a caller whose refresh in another loop was abandoned gets the valid credentials at once."""
    clock = ManualClock()
    source = Held(clock)
    source.may_end = True
    provider = anycreds.cached(source, clock=clock)
    one, two = open_loop("asyncio"), open_loop("trio")
    assert one.call(key_of, provider) == "AKID1"
    clock.advance(HOUR - 30)
    source.may_end = False
    one.start_task_soon(key_of, provider)
    wait_until(lambda: source.calls == 2)
    waiter = two.start_task_soon(key_of, provider)
    wait_until(lambda: remote_waiters(provider))
    shared = provider._state.refreshes._shared
    assert shared is not None
    provider._state.drop_refresh(shared)
    assert waiter.result() == "AKID1"
    wait_until(lambda: source.calls == 3)  # in the background
    source.may_end = True


@pytest.mark.fault("C04")
@each_pair
def test_providers_in_two_loops_that_await_each_other(backends: tuple[str, str], open_loop: OpenLoop) -> None:
    """Two providers that await each other, each called first in another loop, raise an error; neither waits forever."""
    both_called = threading.Barrier(2)

    async def meet() -> None:
        await anyio.to_thread.run_sync(both_called.wait)

    async def first() -> Credentials:
        await meet()
        return await b()

    async def second() -> Credentials:
        await meet()
        return await a()

    a, b = anycreds.cached(first), anycreds.cached(second)
    loops = map(open_loop, backends)
    calls = [loop.start_task_soon(key_of, provider) for loop, provider in zip(loops, (a, b), strict=True)]
    for call in calls:
        assert isinstance(call.exception(SOON), ReentrantProviderError)


@pytest.mark.fault("C04")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_provider_that_awaits_itself_in_another_loop(backend: str) -> None:
    """A source that awaits its own cache in the event loop of a thread gets the error, and is called once."""
    calls: list[int] = []

    async def source() -> Credentials:
        calls.append(1)
        await anyio.to_thread.run_sync(lambda: anyio.run(provider, backend=backend))
        raise AssertionError

    provider = anycreds.cached(source)
    with pytest.raises(ReentrantProviderError, match=r"source -> .*source "):
        anyio.run(provider, backend=backend)
    assert calls == [1]


@pytest.mark.fault("C09")
def test_interrupt_between_the_decision_and_the_task(open_loop: OpenLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a caller is interrupted just before it starts its refresh, callers in other loops do not wait for it long."""
    clock = ManualClock()
    source = Held(clock, life=None)
    source.may_end = True
    provider = anycreds.cached(source, clock=clock)
    one, two = open_loop("asyncio"), open_loop("trio")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    async def call() -> None:
        with pytest.raises(KeyboardInterrupt):
            await provider()

    with monkeypatch.context() as patch:
        patch.setattr(InFlightRefresh, "start", interrupt)
        one.call(call)
    waiter = two.start_task_soon(key_of, provider)
    wait_until(lambda: remote_waiters(provider))
    pass_time_until(clock, waiter.done)
    assert waiter.result() == "AKID1"
    assert one.call(key_of, provider) == "AKID1"


@pytest.mark.fault("C07")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("backends", [("asyncio", "trio")])
def test_forked_process_does_not_wait_for_its_parent(waiting: Waiting) -> None:
    """A child process that is forked while another loop refreshes makes a call of its own."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner has its own handler
        signal.alarm(20)  # end the child in any case
        waiting.source.may_end = True
        os._exit(asyncio.run(key_of(waiting.provider)) != "AKID2")
    assert os.waitpid(child, 0)[1] == 0
    waiting.source.may_end = True
    assert [waiting.leader.result(), waiting.waiter.result()] == ["AKID1"] * 2


@pytest.mark.parametrize("backends", [("asyncio", "trio")])
def test_refresh_that_ends_while_another_loop_joins_it(waiting: Waiting) -> None:
    """A caller that joins a refresh of another loop at the moment of its end gets the outcome, at the next check."""
    shared = waiting.provider._state.refreshes._shared
    assert shared is not None
    shared.remotes.clear()  # joined after the end has woken all others
    waiting.source.may_end = True
    assert [waiting.leader.result(), waiting.waiter.result()] == ["AKID1"] * 2


@pytest.mark.parametrize("backends", [("asyncio", "trio")])
def test_broken_clock_does_not_stop_the_checks(waiting: Waiting) -> None:
    """If the user's clock fails while another loop is checked, the refresh counts as abandoned."""

    def fail() -> float:
        raise RuntimeError("the clock is broken")

    waiting.provider._state.runtime.monotonic = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the clock is broken"):
        waiting.waiter.result()
    waiting.leader.cancel()


@pytest.mark.parametrize("backends", [("asyncio", "trio")])
def test_outcome_is_there_before_the_wait(waiting: Waiting) -> None:
    """Waiting for a refresh of another loop that has ended returns its outcome at once."""
    shared = waiting.provider._state.refreshes._shared
    assert shared is not None
    remote = shared.remotes[next(iter(shared.remotes))]
    waiting.source.may_end = True
    waiting.waiter.result()
    outcome = waiting.two.call(remote.wait, 1.0)
    assert outcome is not None
    assert outcome.credentials == waiting.two.call(waiting.provider)
    remote.finish(ABANDONED)  # only the first end counts
    assert remote.outcome is outcome


def test_only_one_caller_per_loop_of_many_leads() -> None:
    """Callers in many loops, a hundred in each, make one call; each gets its credentials."""
    source = FakeSource(ManualClock(), latency=0.02, life=None)
    provider = anycreds.cached(source)
    got: list[str] = []

    async def main() -> None:
        async def call() -> None:
            with suppress(CredentialsError):
                got.append((await provider()).access_key_id)

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(call)

    threads = [threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name}) for name in BACKENDS[2] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["AKID1"] * 400
    assert source.calls == 1
