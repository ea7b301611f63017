"""Waiting without a loop: from any thread but the one that would have to answer, and with nothing left at the end."""

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

Backend = Literal["asyncio", "trio"]

KEYS = Credentials("AKIDONE", f"{CANARY}-secret", source="the tests")


def portal_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("anycreds portal")]


def in_threads(function: Callable[[], object], number: int = 1) -> list[Any]:
    """Call a function in new threads, and return what came of it."""
    found: list[Any] = []

    def call() -> None:
        try:
            found.append(function())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what came
            found.append(error)

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


class Gate:
    """An async function for ``cached`` that answers when it is let."""

    def __init__(self) -> None:
        self.is_asked = threading.Event()
        self.is_open = threading.Event()
        self.was_cancelled = threading.Event()
        self.calls = 0

    async def __call__(self) -> Credentials:
        self.calls += 1
        self.is_asked.set()
        try:
            while not self.is_open.is_set():  # noqa: ASYNC110 - it is another thread that opens it
                await anyio.sleep(0.002)
        except anyio.get_cancelled_exc_class():
            self.was_cancelled.set()
            raise
        return KEYS


async def keys() -> Credentials:
    await anyio.lowlevel.checkpoint()
    return KEYS


def test_without_any_loop(backend: Backend) -> None:
    """A set that has to be fetched is fetched, on a loop of the kind that is wanted; one that is there is read."""
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


def test_one_thread_for_all(backend: Backend) -> None:
    """Many providers and threads share one thread, which stays for the next."""
    in_threads(lambda: get_blocking(cached(keys), backend), 20)
    assert portal_threads() == [f"anycreds portal ({backend})"]
    (before,) = (thread for thread in threading.enumerate() if thread.name.startswith("anycreds portal"))
    get_blocking(cached(keys), backend)
    assert before.is_alive()
    assert len(portal_threads()) == 1


@pytest.mark.anyio
async def test_in_a_worker_thread_of_a_running_loop(backend: Backend) -> None:
    """A worker thread may wait while its loop goes on, whichever kinds the two loops are."""
    gate = Gate()
    found = []

    async def ask() -> None:
        found.append(await anyio.to_thread.run_sync(get_blocking, cached(gate), backend))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        while not gate.is_asked.is_set():  # noqa: ASYNC110 - it is another thread that asks
            await anyio.sleep(0.002)
        gate.is_open.set()  # by a task of this loop, which therefore runs
    assert found == [KEYS]


@pytest.mark.anyio
async def test_on_the_thread_of_a_running_loop(backend: Backend) -> None:
    """On another loop's thread it works, and blocks that loop for as long, whichever kinds the two loops are."""
    assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.anyio
async def test_one_provider_here_and_there(backend: Backend) -> None:
    """A provider that is awaited in one loop and waited for on its thread gives the same set, from one call."""
    gate = Gate()
    gate.is_open.set()
    provider = cached(gate)
    assert await provider() is get_blocking(provider, backend)
    assert gate.calls == 1


def test_one_call_for_many_threads(backend: Backend) -> None:
    """Fifty threads that wait cause one call of the source."""
    gate = Gate()
    provider = cached(gate)
    opener = threading.Timer(0.03, gate.is_open.set)
    opener.start()
    assert in_threads(lambda: get_blocking(provider, backend), 50) == [KEYS] * 50
    opener.join()
    assert gate.calls == 1


def test_each_thread_has_an_error_of_its_own(backend: Backend) -> None:
    """When the source fails, each thread that waits gets its own copy of the error."""

    async def fails() -> Credentials:
        await anyio.sleep(0.02)
        raise RetrievalError("no luck", source="test")

    provider = cached(fails)
    found = in_threads(lambda: get_blocking(provider, backend), 5)
    assert [str(error) for error in found] == ["test: no luck"] * 5
    assert len(set(map(id, found))) == 5


@pytest.mark.parametrize("other", ["asyncio", "trio"])
def test_it_refuses_its_own_thread(backend: Backend, other: Backend) -> None:
    """A source that waits on the very loop that runs it, or on its twin, gets an error that says so: no deadlock."""
    inner = cached(keys)

    async def waits() -> Credentials:
        return get_blocking(inner, other)

    with pytest.raises(ReentrantProviderError, match=r"function keys: blocking call on the thread.*run_sync"):
        get_blocking(cached(waits), backend)


def test_what_is_cached_is_read_on_its_own_thread(backend: Backend) -> None:
    """On the portal's own thread, what needs no waiting is not refused."""
    inner = cached(keys)
    get_blocking(inner, backend)

    async def reads() -> Credentials:
        return get_blocking(inner, backend)

    assert get_blocking(cached(reads), backend) is KEYS


def test_a_source_may_wait_in_a_worker_thread(backend: Backend) -> None:
    """A source that lets a worker thread wait for another provider is served."""
    inner = cached(keys)

    async def waits() -> Credentials:
        return await anyio.to_thread.run_sync(get_blocking, inner, backend)

    assert get_blocking(cached(waits), backend) is KEYS


def test_a_circle_through_a_worker_thread_is_found(backend: Backend) -> None:
    """A source that comes to wait for itself through a worker thread gets an error, and no deadlock."""

    async def waits() -> Credentials:
        return await anyio.to_thread.run_sync(get_blocking, provider, backend)

    provider: CachedProvider = cached(waits)
    with pytest.raises(ReentrantProviderError, match="waits for itself"):
        get_blocking(provider, backend)


VARIABLE: ContextVar[str] = ContextVar("variable", default="none")


@pytest.mark.anyio
async def test_context_variables_come_along(backend: Backend) -> None:
    """The source sees the context variables of who waits, and not those of who waited before."""
    seen = []

    async def source() -> Credentials:
        await anyio.lowlevel.checkpoint()  # with another's idea of which library runs, this would fail
        seen.append(VARIABLE.get())
        return KEYS

    get_blocking(cached(source), backend)
    VARIABLE.set("mine")
    get_blocking(cached(source), backend)
    assert seen == ["none", "mine"]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal on Windows")
def test_an_interrupt_ends_the_wait(backend: Backend) -> None:
    """Ctrl-C while the main thread waits is raised there; the next call is served."""
    gate = Gate()
    provider = cached(gate)
    main = threading.get_ident()

    def interrupt() -> None:
        gate.is_asked.wait()
        signal.pthread_kill(main, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        get_blocking(provider, backend)
    helper.join()
    while _blocking_portal._PORTALS._portals[backend]._calls:
        time.sleep(0.001)  # nothing waits for the gate any more, though it is closed
    gate.is_open.set()
    assert get_blocking(provider, backend) is KEYS
    assert gate.calls == 1  # who was interrupted left alone: the refresh is not theirs


@pytest.mark.parametrize("name", ["submit", "_submit"])
def test_an_interrupt_in_between_leaves_nothing(name: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C just before the wait, or before the call is begun, leaves no call behind that nobody waits for."""
    gate = Gate()
    provider = cached(gate)
    get_blocking(cached(keys), backend)  # so that there is a portal
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


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal on Windows")
def test_a_signal_handler_may_wait_too(backend: Backend) -> None:
    """A signal handler that needs a set while its thread waits for one gets it."""
    gate, found = Gate(), []
    provider = cached(gate)
    main = threading.get_ident()

    def handle(*_: object) -> None:
        found.append(get_blocking(cached(keys), backend))
        gate.is_open.set()

    def send() -> None:
        gate.is_asked.wait()
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


def test_who_interrupts_locked_lines_may_wait(backend: Backend) -> None:
    """A signal handler or finalizer gets a set though it interrupts the lines that hold a lock."""
    get_blocking(cached(keys), backend)
    portals = _blocking_portal._PORTALS
    with portals._lock, portals._portals[backend]._lock:
        assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.parametrize("ends", [2, 3])
def test_a_loop_that_ends_by_itself(backend: Backend, ends: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a loop that ends is served by the next one; after three of them it gets an error."""
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


def test_the_end_wakes_who_waits(backend: Backend) -> None:
    """When the loop is ended, who waits is told, and the source is cancelled; the next call starts another loop."""
    gate = Gate()
    provider = cached(gate)

    def end() -> None:
        gate.is_asked.wait()
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


def test_a_source_that_leaves(backend: Backend) -> None:
    """A ``SystemExit`` of a source goes to who waits, and the loop, or another one, serves the next."""

    async def leaves() -> Credentials:
        sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        get_blocking(cached(leaves), backend)
    assert get_blocking(cached(keys), backend) is KEYS


@pytest.mark.weak_error_references
def test_a_background_refresh_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``SystemExit`` that nobody waits for ends asyncio's loop: who waits just then, and the next, get another."""
    monkeypatch.setattr(logging.getLogger("asyncio"), "disabled", True)  # it says that nobody has awaited the exit,
    monkeypatch.setattr(logging.getLogger("anycreds.cache"), "disabled", True)  # once no record keeps that any more
    let_a_refresh_leave()
    gc.collect()


def let_a_refresh_leave() -> None:
    clock = ManualClock()
    leaving = threading.Event()

    async def source() -> Credentials:
        if clock.monotonic() > 0:
            leaving.set()
            sys.exit(3)
        end = datetime.fromtimestamp(clock.time(), UTC) + timedelta(hours=1)
        return KEYS.replace(expiration=end)

    provider = cached(source, clock=clock)
    first = get_blocking(provider, "asyncio")
    (dying,) = (thread for thread in threading.enumerate() if thread.name.startswith("anycreds portal"))
    clock.advance(3590 - 600)  # it is due, and good for a while
    clock.chance = 0.0
    assert get_blocking(provider, "asyncio") is first
    assert leaving.wait(5)
    assert in_threads(lambda: get_blocking(cached(keys), "asyncio"), 5) == [KEYS] * 5
    dying.join(5)


def test_many_ends_and_beginnings(backend: Backend) -> None:
    """Whoever waits while loops are ended gets a set or an error that says so, and nobody waits for ever."""
    stop = time.monotonic() + 0.2  # seconds: some hundreds of loops

    def ask() -> list[object]:
        found: list[object] = []
        while time.monotonic() < stop:
            try:
                found.append(get_blocking(cached(keys), backend))
            except RetrievalError as error:
                found.append(error.message)
        return found

    def end() -> None:
        while time.monotonic() < stop:
            _blocking_portal.stop_all()

    ender = threading.Thread(target=end)
    ender.start()
    answers = [answer for found in in_threads(ask, 4) for answer in found]
    ender.join()
    assert KEYS in answers
    assert {answer for answer in answers if answer is not KEYS} <= {
        "the event loop of the blocking portal was stopped",
        "3 refreshes came to nothing: cancelled from outside, or over before they could be served",
    }


def test_no_thread_can_be_started(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no thread to be had, that is the error; what is cached is served all the same."""
    provider = cached(keys)
    get_blocking(provider, backend)
    _blocking_portal.stop_all()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RetrievalError, match=r"function keys: the thread of .* cannot be started: can't start"):
        get_blocking(cached(keys), backend)
    assert get_blocking(provider, backend) is KEYS


@pytest.mark.weak_error_references
def test_nothing_is_kept(backend: Backend) -> None:
    """After a call nothing keeps its set, its error or its provider."""

    async def fails() -> Credentials:
        raise RetrievalError("no luck")

    def ask() -> list[weakref.ref[Any]]:
        provider, failing = cached(keys), cached(fails)
        get_blocking(provider, backend)
        try:  # ``pytest.raises`` would keep the error
            get_blocking(failing, backend)
        except RetrievalError as error:
            return [weakref.ref(provider), weakref.ref(failing), weakref.ref(error)]
        raise AssertionError

    ask()  # the first time loads and remembers things
    gc.collect()
    gc.disable()
    try:
        references = ask()
        while references[2]() is not None:  # an error keeps frames: it goes without a collection, too
            time.sleep(0.001)  # the loop's thread is just letting go of it
    finally:
        gc.enable()
    get_blocking(cached(keys), backend)  # the loop has then let go of its last task
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_loop_of_its_own(backend: Backend) -> None:
    """In a child the portal of the parent is forgotten: a cold provider is served there, and goes on here."""
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


def test_asyncio_is_left_alone() -> None:
    """A thread that waited has no event loop afterwards that it had not before."""
    get_blocking(cached(keys), "asyncio")
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
