"""Blocking calls: from any thread except the portal's own, interruptible at any line, and without leftovers."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from anycreds import CachedProvider, Credentials, ReentrantProviderError, RetrievalError, cached
from anycreds.adapters import _blocking_portal
from anycreds.adapters._blocking_portal import get_blocking
from anycreds.adapters._portal_thread import Portal
from anycreds.testing import CANARY, ManualClock

pytestmark = pytest.mark.realtime

Backend = Literal["asyncio", "trio"]

KEYS = Credentials("AKIDONE", f"{CANARY}-secret", source="the tests")


def portal_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("anycreds portal")]


def in_threads(function: Callable[[], object], number: int = 1) -> list[Any]:
    """Call a function in new threads, and return the results and exceptions."""
    found: list[Any] = []

    def call() -> None:
        try:
            found.append(function())
        except BaseException as error:  # noqa: BLE001 - the exception is the result
            found.append(error)

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class Gate:
    """An async function for ``cached`` that returns once its event is set."""

    def __init__(self) -> None:
        self.is_called = threading.Event()
        self.is_open = threading.Event()
        self.was_cancelled = threading.Event()
        self.calls = 0

    async def __call__(self) -> Credentials:
        self.calls += 1
        self.is_called.set()
        try:
            while not self.is_open.is_set():  # noqa: ASYNC110 - another thread sets it
                await anyio.sleep(0.002)
        except anyio.get_cancelled_exc_class():
            self.was_cancelled.set()
            raise
        return KEYS


async def keys() -> Credentials:
    await anyio.lowlevel.checkpoint()
    return KEYS


def test_runs_the_provider_on_the_requested_library(backend: Backend) -> None:
    """A blocking call runs the provider on an event loop of the requested library; a cached result needs no thread."""
    libraries = []

    async def source() -> Credentials:
        libraries.append("trio" if _runs_trio() else "asyncio")
        return KEYS

    provider = cached(source)
    assert get_blocking(provider, backend) is KEYS
    assert portal_threads() == [f"anycreds portal ({backend})"]
    _blocking_portal.stop_all()
    assert get_blocking(provider, backend) is KEYS
    assert portal_threads() == []
    assert libraries == [backend]


def _runs_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_task()


def test_providers_and_threads_share_one_portal(backend: Backend) -> None:
    """Many providers and threads share one portal thread, which stays for later calls."""
    in_threads(lambda: get_blocking(cached(keys), backend), 20)
    assert portal_threads() == [f"anycreds portal ({backend})"]
    (before,) = (thread for thread in threading.enumerate() if thread.name.startswith("anycreds portal"))
    get_blocking(cached(keys), backend)
    assert before.is_alive()
    assert len(portal_threads()) == 1


@pytest.mark.anyio
async def test_worker_thread_of_a_running_loop(backend: Backend) -> None:
    """A worker thread may wait while its own event loop continues, for any pair of libraries."""
    gate = Gate()
    found = []

    async def call() -> None:
        found.append(await anyio.to_thread.run_sync(get_blocking, cached(gate), backend))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        while not gate.is_called.is_set():  # noqa: ASYNC110 - another thread sets it
            await anyio.sleep(0.002)
        gate.is_open.set()  # set by a task of this loop, which therefore runs
    assert found == [KEYS]


@pytest.mark.anyio
async def test_thread_of_a_running_loop(backend: Backend) -> None:
    """A blocking call on the thread of another event loop blocks that loop and returns, for any pair of libraries."""
    assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.anyio
async def test_awaited_and_blocking_calls_share_the_cache(backend: Backend) -> None:
    """A provider that is awaited and called blockingly makes one upstream call."""
    gate = Gate()
    gate.is_open.set()
    provider = cached(gate)
    assert await provider() is get_blocking(provider, backend)
    assert gate.calls == 1


def test_fifty_threads_make_one_call(backend: Backend) -> None:
    """Fifty waiting threads cause one call of the source."""
    gate = Gate()
    provider = cached(gate)
    opener = threading.Timer(0.03, gate.is_open.set)
    opener.start()
    assert in_threads(lambda: get_blocking(provider, backend), 50) == [KEYS] * 50
    opener.join()
    assert gate.calls == 1


def test_each_thread_gets_its_own_error(backend: Backend) -> None:
    """If the source fails, each waiting thread gets its own copy of the error."""

    async def fails() -> Credentials:
        await anyio.sleep(0.02)
        raise RetrievalError("source failed", source="test")

    provider = cached(fails)
    found = in_threads(lambda: get_blocking(provider, backend), 5)
    assert [str(error) for error in found] == ["test: source failed"] * 5
    assert len(set(map(id, found))) == 5


@pytest.mark.fault("C20")
@pytest.mark.parametrize("other", ["asyncio", "trio"])
def test_own_thread_is_an_error(backend: Backend, other: Backend) -> None:
    """A source that blocks the portal thread of its own or the other library gets an error instead of a deadlock."""
    inner = cached(keys)

    async def waits() -> Credentials:
        return get_blocking(inner, other)

    with pytest.raises(ReentrantProviderError, match=r"function keys: blocking call on the thread.*run_sync"):
        get_blocking(cached(waits), backend)


def test_cached_credentials_are_read_on_the_own_thread(backend: Backend) -> None:
    """On the portal thread, cached credentials are returned without an error."""
    inner = cached(keys)
    get_blocking(inner, backend)

    async def reads() -> Credentials:
        return get_blocking(inner, backend)

    assert get_blocking(cached(reads), backend) is KEYS


def test_source_waits_in_a_worker_thread(backend: Backend) -> None:
    """A source may wait for another provider in a worker thread."""
    inner = cached(keys)

    async def waits() -> Credentials:
        return await anyio.to_thread.run_sync(get_blocking, inner, backend)

    assert get_blocking(cached(waits), backend) is KEYS


def test_cycle_through_a_worker_thread_is_an_error(backend: Backend) -> None:
    """A source that waits for itself through a worker thread gets an error instead of a deadlock."""

    async def waits() -> Credentials:
        return await anyio.to_thread.run_sync(get_blocking, provider, backend)

    provider: CachedProvider = cached(waits)
    with pytest.raises(ReentrantProviderError, match="awaits itself"):
        get_blocking(provider, backend)


VARIABLE: ContextVar[str] = ContextVar("variable", default="none")


@pytest.mark.anyio
async def test_source_sees_context_variables_of_the_caller(backend: Backend) -> None:
    """The source sees the context variables of the calling thread, and not those of an earlier call."""
    seen = []

    async def source() -> Credentials:
        await anyio.lowlevel.checkpoint()  # fails if the caller's async library replaced that of the loop
        seen.append(VARIABLE.get())
        return KEYS

    get_blocking(cached(source), backend)
    VARIABLE.set("set by the caller")
    get_blocking(cached(source), backend)
    assert seen == ["none", "set by the caller"]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_interrupt_ends_the_wait(backend: Backend) -> None:
    """Ctrl-C while the main thread waits is raised there, and the next call succeeds."""
    gate = Gate()
    provider = cached(gate)
    main = threading.get_ident()

    def interrupt() -> None:
        gate.is_called.wait()
        signal.pthread_kill(main, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        get_blocking(provider, backend)
    helper.join()
    while _blocking_portal._PORTALS._portals[backend]._calls:
        time.sleep(0.001)  # the call is cancelled although the gate is closed
    gate.is_open.set()
    assert get_blocking(provider, backend) is KEYS
    assert gate.calls == 1  # the interrupt cancelled the call and not the refresh


@pytest.mark.parametrize("name", ["submit", "_submit"])
def test_interrupt_around_submit_leaves_no_call(name: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right before the wait, or before the call is submitted, leaves no call on the loop."""
    gate = Gate()
    provider = cached(gate)
    get_blocking(cached(keys), backend)  # starts the portal
    real, interrupts = getattr(Portal, name), [KeyboardInterrupt()]

    def interrupted(portal: Portal, *arguments: Any) -> Any:
        if not interrupts:
            return real(portal, *arguments)
        if name == "submit":
            real(portal, *arguments)
        raise interrupts.pop()

    monkeypatch.setattr(Portal, name, interrupted)
    with pytest.raises(KeyboardInterrupt):
        get_blocking(provider, backend)
    while _blocking_portal._PORTALS._portals[backend]._calls:
        time.sleep(0.001)
    gate.is_open.set()
    assert get_blocking(provider, backend) is KEYS


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_signal_handler_makes_a_blocking_call(backend: Backend) -> None:
    """A signal handler gets credentials while the thread that it interrupts waits for some."""
    gate, found = Gate(), []
    provider = cached(gate)
    main = threading.get_ident()

    def handle(*_: object) -> None:
        found.append(get_blocking(cached(keys), backend))
        gate.is_open.set()

    def send() -> None:
        gate.is_called.wait()
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    helper = threading.Thread(target=send)
    try:
        helper.start()
        assert get_blocking(provider, backend) is KEYS
    finally:
        helper.join()
        signal.signal(signal.SIGUSR1, before)
    assert found == [KEYS]


def test_signal_handler_interrupts_locked_lines(backend: Backend) -> None:
    """A signal handler or finalizer gets credentials although it interrupts code that holds the locks."""
    get_blocking(cached(keys), backend)
    portals = _blocking_portal._PORTALS
    with portals._lock, portals._portals[backend]._lock:
        assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.parametrize("ends", [2, 3])
def test_loop_that_ends_by_itself_is_replaced(backend: Backend, ends: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call on a loop that ends by itself is repeated on the next loop; after three loops it fails."""
    serve = Portal._serve
    served: list[Portal] = []

    async def ending(portal: Portal) -> None:
        served.append(portal)
        if len(served) > ends:
            return await serve(portal)
        await anyio.wait_readable(portal._wakeup_receive)
        sys.exit(3)

    monkeypatch.setattr(Portal, "_serve", ending)
    if ends == 2:
        assert get_blocking(cached(keys), backend) is KEYS
    else:
        with pytest.raises(RetrievalError, match="3 event loops of the blocking portal were ended"):
            get_blocking(cached(keys), backend)
    assert len(served) == 3


def test_stop_wakes_waiting_threads(backend: Backend) -> None:
    """Stopping the portal wakes the waiting thread with an error and cancels the source; later calls succeed."""
    gate = Gate()
    provider = cached(gate)

    def end() -> None:
        gate.is_called.wait()
        _blocking_portal.stop_all()

    helper = threading.Thread(target=end)
    helper.start()
    with pytest.raises(RetrievalError, match="was stopped"):
        get_blocking(provider, backend)
    helper.join()
    assert gate.was_cancelled.is_set()
    assert portal_threads() == []
    gate.is_open.set()
    assert get_blocking(provider, backend) is KEYS


def test_system_exit_of_a_source_reaches_the_caller(backend: Backend) -> None:
    """``SystemExit`` of a source is raised in the waiting thread, and the next call succeeds."""

    async def leaves() -> Credentials:
        sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        get_blocking(cached(leaves), backend)
    assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.weak_error_references
def test_system_exit_of_a_background_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """``SystemExit`` of a background refresh ends asyncio's loop; waiting and later calls get another loop."""
    monkeypatch.setattr(
        logging.getLogger("asyncio"), "disabled", True
    )  # it logs that the SystemExit was never retrieved,
    monkeypatch.setattr(logging.getLogger("anycreds.cache"), "disabled", True)  # once no log record references it
    exit_in_a_refresh()
    gc.collect()


def exit_in_a_refresh() -> None:
    clock = ManualClock()
    exiting = threading.Event()

    async def source() -> Credentials:
        if clock.monotonic() > 0:
            exiting.set()
            sys.exit(3)
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(hours=1)
        return KEYS.replace(expiration=end)

    provider = cached(source, clock=clock)
    first = get_blocking(provider, "asyncio")
    (dying,) = (thread for thread in threading.enumerate() if thread.name.startswith("anycreds portal"))
    clock.advance(3590 - 600)  # the refresh is due, and the credentials are still valid
    clock.chance = 0.0
    assert get_blocking(provider, "asyncio") is first
    assert exiting.wait(5)
    assert in_threads(lambda: get_blocking(cached(keys), "asyncio"), 5) == [KEYS] * 5
    dying.join(5)


def test_calls_while_portals_are_stopped(backend: Backend) -> None:
    """While portals are stopped, each call returns credentials or raises a clear error, and none waits for ever."""
    deadline = time.monotonic() + 0.2  # seconds: some hundreds of loops

    def call() -> list[object]:
        found: list[object] = []
        while time.monotonic() < deadline:
            try:
                found.append(get_blocking(cached(keys), backend))
            except RetrievalError as error:
                found.append(error.message)
        return found

    def stop_portals() -> None:
        while time.monotonic() < deadline:
            _blocking_portal.stop_all()

    stopper = threading.Thread(target=stop_portals)
    stopper.start()
    results = [result for found in in_threads(call, 4) for result in found]
    stopper.join()
    assert KEYS in results
    assert {result for result in results if result is not KEYS} <= {
        "the event loop of the blocking portal was stopped",
        "3 consecutive refreshes were cancelled or expired before they could be used",
    }


def test_thread_cannot_be_started(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, the call fails; cached credentials are still returned."""
    provider = cached(keys)
    get_blocking(provider, backend)
    _blocking_portal.stop_all()

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RetrievalError, match=r"function keys: the thread of .* cannot be started: can't start"):
        get_blocking(cached(keys), backend)
    assert get_blocking(provider, backend) is KEYS


@pytest.mark.weak_error_references
def test_no_references_remain(backend: Backend) -> None:
    """After a call, no reference to its credentials, error or provider remains."""

    async def fails() -> Credentials:
        raise RetrievalError("source failed")

    def call() -> list[weakref.ref[Any]]:
        provider, failing = cached(keys), cached(fails)
        get_blocking(provider, backend)
        try:  # ``pytest.raises`` would keep a reference to the error
            get_blocking(failing, backend)
        except RetrievalError as error:
            return [weakref.ref(provider), weakref.ref(failing), weakref.ref(error)]
        raise AssertionError

    call()  # the first call fills caches
    gc.collect()
    gc.disable()
    try:
        references = call()
        while references[2]() is not None:  # an error references frames: it is freed without a collection
            time.sleep(0.001)  # the loop's thread drops its reference
    finally:
        gc.enable()
    get_blocking(cached(keys), backend)  # the loop drops the reference to its last task
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_process_starts_its_own_portal(backend: Backend) -> None:
    """A forked process drops the parent's portal and starts its own; the parent's portal continues."""
    get_blocking(cached(keys), backend)
    parents = _blocking_portal._PORTALS._portals[backend]
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert (parents._wakeup_send.fileno(), parents._wakeup_receive.fileno()) == (-1, -1)
            assert portal_threads() == []
            assert get_blocking(cached(keys), backend) is KEYS
            assert portal_threads() == [f"anycreds portal ({backend})"]
            _blocking_portal.stop_all()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert get_blocking(cached(keys), backend) is KEYS
    assert len(portal_threads()) == 1


def test_no_event_loop_is_left_on_the_thread() -> None:
    """After a blocking call the thread has no event loop that it had not before."""
    get_blocking(cached(keys), "asyncio")
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
