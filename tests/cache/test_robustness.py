"""The cache with sources, log handlers, clocks and event loops that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import linecache
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

import anycreds
from anycreds._cache.refresh import InFlightRefresh
from anycreds._core.errors import CredentialsError
from anycreds.testing import ManualClock, virtual_backend
from support.budget import Budget
from support.fake_source import FakeSource
from support.goals import RecordGoal
from support.rows import each_row
from support.secret_leaks import SecretLeakDetector

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
# Seconds until a caller that is never woken fails its test; nothing here takes nearly as long.
SOON = 5.0


# Cancellation before, or together with, another event


@pytest.mark.not_eager("an eager task has its first step when it is created")
def test_refresh_cancelled_before_its_first_step() -> None:
    """If other code cancels a refresh before its first step, its waiters get credentials from the next one."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None))

    async def main() -> str:
        caller = asyncio.create_task(provider())
        others = asyncio.all_tasks()
        while not (refreshes := asyncio.all_tasks() - others):  # noqa: ASYNC110 - it is one tick or two
            await asyncio.sleep(0)
        for task in refreshes:
            task.cancel()  # before its first step
        async with asyncio.timeout(SOON):
            return (await caller).access_key_id

    assert asyncio.run(main()) == "AKID1"


def test_keep_fresh_task_cancelled_before_its_first_step() -> None:
    """Leaving ``keep_fresh`` does not wait for its task if that was cancelled before its first step."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None))

    async def main() -> None:
        await provider()
        async with asyncio.timeout(SOON), provider.keep_fresh():
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    asyncio.run(main())


@pytest.mark.fault("C18")
@pytest.mark.realtime
def test_waiter_cancelled_twice_is_cancelled() -> None:
    """A waiter that is cancelled twice by asyncio ends as cancelled, and the refresh continues."""
    upstream = FakeSource(ManualClock(), life=None, latency=0.01)
    provider = anycreds.cached(upstream)

    async def main() -> str:
        caller = asyncio.create_task(provider())
        while not upstream.calls:  # noqa: ASYNC110 - it is one tick or two
            await asyncio.sleep(0)
        caller.cancel()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert caller.cancelled()
        assert caller.cancelling() == 2
        return (await provider()).access_key_id

    assert asyncio.run(main()) == "AKID1"
    assert upstream.calls == 1


@pytest.mark.fault("C18")
def test_asyncio_timeout_in_the_mandatory_window() -> None:
    """The limited wait in the mandatory window suppresses neither ``asyncio.timeout`` nor a cancellation."""
    clock = ManualClock()
    upstream = FakeSource(clock)
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> None:
        await provider()
        clock.advance(3600 - 30)
        upstream.latency = 30.0
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await provider()
        assert task.cancelling() == 0
        caller = asyncio.create_task(provider())
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    asyncio.run(main())


@pytest.mark.realtime
def test_cancelled_task_of_a_source_does_not_cancel_the_caller() -> None:
    """A source whose own task was cancelled causes a ``RetrievalError``, not a ``CancelledError``."""

    async def source() -> anycreds.Credentials:
        inner = asyncio.create_task(asyncio.sleep(30))
        inner.cancel()
        await inner
        raise AssertionError

    with pytest.raises(anycreds.RetrievalError, match="were cancelled"):
        asyncio.run(anycreds.cached(source)())


@pytest.mark.fault("C08")
def test_source_that_fails_in_its_cleanup_at_the_end_of_a_trio_run() -> None:
    """A source that raises while the end of the run cancels it does not change how the run ends."""

    async def fail_in_cleanup() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("the cleanup failed")

    async def source() -> anycreds.Credentials:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail_in_cleanup)
            await anyio.sleep_forever()
        raise AssertionError

    provider = anycreds.cached(source)

    async def main() -> str:
        with anyio.move_on_after(0.01):
            await provider()
        return "done"

    assert anyio.run(main, backend="trio") == "done"


@pytest.mark.fault("C08")
def test_group_of_cancellation_and_error_at_the_end_of_a_trio_run() -> None:
    """A source whose nursery raises a group of a cancellation and an error does not change how the run ends."""
    cleaned = []

    async def fail_in_cleanup() -> None:
        try:
            await trio.sleep_forever()
        finally:
            cleaned.append(1)
            raise ValueError("the cleanup failed")

    async def raise_group() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            raise BaseExceptionGroup("both", [cancelled, ValueError("no")]) from None

    async def source() -> anycreds.Credentials:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_in_cleanup)
            nursery.start_soon(raise_group)
        raise AssertionError

    provider = anycreds.cached(source)

    async def main() -> str:
        with trio.move_on_after(0.01):
            await provider()
        return "done"

    assert trio.run(main) == "done"
    assert cleaned


@pytest.mark.fault("C11")
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_function_that_fails_when_its_deadline_passes(name: str) -> None:
    """A function that fails while its deadline cancels it causes one ``RetrievalError``, not a group."""

    async def fail_in_cleanup() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("the cleanup failed")

    async def source() -> anycreds.Credentials:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail_in_cleanup)
            tasks.start_soon(anyio.sleep_forever)
        raise AssertionError

    async def main() -> None:
        with pytest.raises(anycreds.RetrievalError):
            await anycreds.create_credential_chain(source)()

    backend, options = virtual_backend(name)
    anyio.run(main, backend=backend, backend_options=options)


@pytest.mark.fault("C10")
@pytest.mark.realtime
@BACKENDS
def test_shielded_caller_gets_credentials(backend: str) -> None:
    """A shielded caller in a cancelled scope gets credentials, and the scope is cancelled afterwards."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None, latency=0.001))

    async def main() -> str:
        got = ""
        with anyio.CancelScope() as outer:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                got = (await provider()).access_key_id
            await anyio.lowlevel.checkpoint()
            raise AssertionError
        assert outer.cancelled_caught
        return got

    assert anyio.run(main, backend=backend) == "AKID1"


# Sources that raise unusual exceptions


class OddError(BaseException):
    """Neither an ``Exception`` nor a process exit."""


def _odd(kind: type[BaseException]) -> Callable[[], BaseException]:
    return lambda: BaseExceptionGroup("both", [kind(), ValueError()])


@pytest.mark.fault("C08")
@pytest.mark.realtime
@BACKENDS
@pytest.mark.parametrize(
    "make",
    [GeneratorExit, OddError, StopAsyncIteration, _odd(OddError), _odd(GeneratorExit)],
    ids=["GeneratorExit", "OddError", "StopAsyncIteration", "group-of-OddError", "group-of-GeneratorExit"],
)
def test_unusual_exception_becomes_the_cause(backend: str, make: Callable[[], BaseException]) -> None:
    """Waiters get a ``RetrievalError`` caused by whatever the source raises, and the run continues."""
    failure = make()
    provider = anycreds.cached(FakeSource(ManualClock(), failure, latency=0.001))
    errors: list[BaseException] = []

    async def call() -> None:
        with anyio.fail_after(SOON):
            try:
                await provider()
            except anycreds.RetrievalError as error:
                errors.append(error)

    async def main() -> None:
        ignore_loop_errors(backend)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)

    anyio.run(main, backend=backend)
    assert len(errors) == 2
    if not isinstance(failure, GeneratorExit):  # which is also raised when a loop is dropped
        assert [error.__cause__ for error in errors] == [failure] * 2


@pytest.mark.realtime
@BACKENDS
@pytest.mark.parametrize("process_exit", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_process_exit_while_only_keep_fresh_waits(backend: str, process_exit: BaseException) -> None:
    """``SystemExit`` of a source while only ``keep_fresh`` waits ends an asyncio run; a trio run continues."""
    clock = ManualClock()
    upstream = FakeSource(clock, 3600.0, 2.0, process_exit)
    provider = anycreds.cached(upstream, clock=clock)

    async def main() -> str:
        ignore_loop_errors(backend)
        await provider()
        clock.advance(3600)
        async with provider.keep_fresh():  # gets credentials of 2 s
            clock.advance(2)
            with anyio.move_on_after(SOON):
                while upstream.calls < 3:
                    await anyio.sleep(0.005)
                    clock.advance(1)
        return "done"

    if backend == "trio":
        assert anyio.run(main, backend=backend) == "done"
    else:
        with pytest.raises(type(process_exit)):
            anyio.run(main, backend=backend)


# Log handlers, filters and clocks of the program


class BrokenFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ZeroDivisionError


@pytest.fixture
def broken_logs() -> Iterator[None]:
    """Let the log filters of the program raise."""
    broken = BrokenFilter()
    loggers = [logging.getLogger(f"anycreds.{part}") for part in ("cache", "chain", "keep_fresh")]
    for logger in loggers:
        logger.addFilter(broken)
    yield
    for logger in loggers:
        logger.removeFilter(broken)


@BACKENDS
def test_broken_log_filter_affects_no_caller(backend: str, broken_logs: None) -> None:
    """A log filter that raises affects no caller, no refresh and no run."""
    clock = ManualClock()
    upstream = FakeSource(clock, 3600.0, anycreds.RetrievalError("down"), 3600.0)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), upstream)
    provider = anycreds.cached(chain, clock=clock)

    async def main() -> list[str]:
        got = []
        with anyio.fail_after(SOON):
            for _ in range(3):
                got.append((await provider()).access_key_id)
                clock.advance(3600 - 30)
                got.append((await provider()).access_key_id)
                clock.advance(600)
        return got

    assert anyio.run(main, backend=backend)[-1].startswith("AKID")
    assert upstream.calls > 2


def ignore_loop_errors(backend: str) -> None:
    """Ignore asyncio's expected report of an error that no task awaits."""
    if backend == "asyncio":
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)


class BrokenClock(ManualClock):
    """A clock whose ``jitter`` can fail, which the cache reads when a refresh ends."""

    __slots__ = ("fails",)

    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def jitter(self) -> float:
        if self.fails:
            raise ZeroDivisionError
        return super().jitter()


@pytest.mark.realtime
@BACKENDS
def test_broken_clock_raises_an_error_in_all_waiters(backend: str) -> None:
    """A clock that raises at the end of a refresh causes an error in all waiters, and the next call succeeds."""
    clock = BrokenClock()
    provider = anycreds.cached(FakeSource(clock, latency=0.001), clock=clock)
    ends: list[BaseException] = []

    async def call() -> None:
        with anyio.fail_after(SOON):
            try:
                await provider()
            except (anycreds.CredentialsError, ZeroDivisionError) as error:
                ends.append(error)

    async def main() -> None:
        ignore_loop_errors(backend)
        clock.fails = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
        clock.fails = False
        with anyio.fail_after(SOON):
            assert (await provider()).access_key_id.startswith("AKID")

    anyio.run(main, backend=backend)
    assert len(ends) == 2


# Other threads, imports and contexts


def test_trio_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread imports trio, the module exists without its parts; calls on asyncio still succeed."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None))
    monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
    assert asyncio.run(provider()).access_key_id == "AKID1"


@pytest.mark.realtime
@BACKENDS
def test_background_refresh_may_await_the_chain_that_started_it(backend: str) -> None:
    """A refresh that was started, but is not awaited, by a call of a chain may await that chain."""
    clock = ManualClock()
    in_background = False
    done: list[str] = []

    async def inner_source() -> anycreds.Credentials:
        if in_background:
            done.append((await outer()).access_key_id)
        return anycreds.Credentials("AKIN", "shh", expiration=_at(clock.time() + 3600))

    async def outer_source() -> anycreds.Credentials:
        await inner()  # in its advisory window: this starts a refresh and returns at once
        await anyio.sleep(0.01)
        return anycreds.Credentials("AKOUT", "shh")

    inner = anycreds.cached(inner_source, clock=clock)
    outer = anycreds.create_credential_chain(outer_source)

    async def main() -> None:
        nonlocal in_background
        await inner()
        in_background = True
        clock.advance(50 * 60)
        await outer()
        await anyio.sleep(0.03)

    anyio.run(main, backend=backend)
    assert done == ["AKOUT"]


def _at(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.fault("C09")
def test_interrupt_before_a_refresh_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a caller is interrupted just before it starts its refresh, the next caller starts another one."""
    upstream = FakeSource(ManualClock(), life=None)
    provider = anycreds.cached(upstream)

    async def main() -> str:
        with monkeypatch.context() as patch:
            patch.setattr(InFlightRefresh, "start", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                await provider()
        async with asyncio.timeout(SOON):
            return (await provider()).access_key_id

    assert asyncio.run(main()) == "AKID1"


def test_refresh_task_that_cannot_be_created_is_an_error_of_its_caller_only() -> None:
    """If the event loop creates no task for a refresh, the caller gets the error, and the next one credentials."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None))

    def refuse(_: object, body: Any, **options: object) -> Any:
        body.close()
        raise MemoryError

    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(refuse)
        with pytest.raises(MemoryError):
            await provider()
        asyncio.get_running_loop().set_task_factory(None)
        async with asyncio.timeout(SOON):
            return (await provider()).access_key_id

    assert asyncio.run(main()) == "AKID1"


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.fault("C09")
@pytest.mark.not_eager("the refresh would begin within the lines of the caller")
@pytest.mark.parametrize("first", range(1, 5))
def test_interrupt_at_any_line_of_a_caller(first: int) -> None:
    """A caller that is interrupted at any line of the cache leaves no lock taken and no caller waiting."""
    lines = itertools.takewhile(_is_interrupted_at, itertools.count(first, 4))  # until the caller waits
    assert len(list(lines)) > 10


def _is_interrupted_at(line: int) -> bool:
    """Interrupt a caller before this line, check what remains, and return whether it got there."""
    provider = anycreds.cached(FakeSource(ManualClock(), life=None))
    folder = Path(anycreds.__file__).parent / "_cache"
    files = tuple(str(folder / name) for name in ("provider.py", "state.py", "refresh.py"))

    async def main() -> tuple[bool, str]:
        hit = _interrupt_at(line, files, provider)
        async with asyncio.timeout(SOON):
            return hit, (await provider()).access_key_id

    hit, got = asyncio.run(main())
    assert got.startswith("AKID"), line
    assert provider._state._lock.acquire(blocking=False), line
    return hit


def _location(frame: types.FrameType) -> tuple[str, int]:
    return frame.f_code.co_filename, frame.f_lineno


def _interrupt_at(line: int, files: tuple[str, ...], provider: anycreds.CachedProvider) -> bool:
    """Drive a caller to its first wait, interrupt it before this line; return whether it got there."""
    seen = 0

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in files:
            return None
        # Python raises real interrupts between calls only, so never within the release of a lock, unlike these.
        if event == "line" and not linecache.getline(*_location(frame)).strip().startswith("with self._lock"):
            seen += 1
            if seen == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    caller = provider()
    sys.settrace(trace)
    try:
        caller.send(None)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
        caller.close()
    return False


# Memory


def _resident() -> int:
    for text in Path("/proc/self/status").read_text().splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1]) * 1024
    raise AssertionError


@pytest.mark.fault("C03")
@pytest.mark.weak_error_references
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.goal("G19", scale=5)
@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_failing_refreshes_do_not_leak_memory(
    name: str, secret_leaks: SecretLeakDetector, budget: Budget, goal: RecordGoal
) -> None:
    """After thousands of failed refreshes the process has grown by less than 1 MiB, and tracebacks by nothing."""
    depths: set[int] = set()

    async def source() -> anycreds.Credentials:
        raise KeyError("no")

    async def main() -> int:
        clock = ManualClock()
        provider = anycreds.cached(source, clock=clock)

        async def fail(times: int) -> None:
            for number in range(times):
                if number % 500 == 0:
                    secret_leaks.finish()  # it keeps a reference to each error
                clock.advance(60)
                try:
                    await provider()
                except anycreds.RetrievalError as error:
                    trace, depth = error.__traceback__, 0
                    while trace is not None:
                        trace, depth = trace.tb_next, depth + 1
                    depths.add(depth)

        await fail(1000)
        gc.collect()
        before = _resident()
        await fail(budget.count(2000))
        gc.collect()
        return _resident() - before

    backend, options = virtual_backend(name)
    logging.getLogger("anycreds").setLevel(logging.ERROR)
    try:
        grown = anyio.run(main, backend=backend, backend_options=options)
    finally:
        logging.getLogger("anycreds").setLevel(logging.NOTSET)
    goal(
        "G19",
        "{failures:,.0f} failures on each event loop: at most {grown:.0f} KiB more, {depths:.0f} length of tracebacks",
        "{failures:,.0f} of 10,000",
        failures=float(budget.count(2000)),
        grown=grown / 1024,
        depths=float(len(depths)),
    )
    assert grown < 1 << 20
    assert len(depths) == 1


@pytest.mark.weak_error_references
@BACKENDS
def test_failed_attempts_are_freed_without_garbage_collection(backend: str) -> None:
    """Objects of a failed attempt are freed at once: no cycle of error, traceback and frame keeps them."""
    import weakref

    class Resource:
        pass

    watches: list[weakref.ref[Resource]] = []

    async def source() -> anycreds.Credentials:
        resource = Resource()
        watches.append(weakref.ref(resource))
        raise anycreds.RetrievalError("no")

    clock = ManualClock()
    provider = anycreds.cached(source, clock=clock)

    async def main() -> None:
        for _ in range(3):
            clock.advance(60)
            with contextlib.suppress(anycreds.RetrievalError):
                await provider()
        await anyio.lowlevel.checkpoint()

    gc.collect()
    gc.disable()
    try:
        anyio.run(main, backend=backend)
        assert [watch() for watch in watches] == [None] * 3
    finally:
        gc.enable()


# Copies of errors


class OwnError(anycreds.RetrievalError):
    """A user's own error, with a constructor that takes keywords only."""

    def __init__(self, *, tenant: str) -> None:
        super().__init__(f"no keys for {tenant}", status=418, code="Teapot", hint="brew")
        self.tenant = tenant


_COMMON: dict[str, Any] = {"source": "a source", "hint": "a hint"}
_MISSED = anycreds.NotConfiguredError("nothing", **_COMMON)
ERRORS: list[CredentialsError] = [
    anycreds.CredentialsError("text", **_COMMON),
    anycreds.NotConfiguredError("text", **_COMMON),
    anycreds.MetadataUnreachableError("text", **_COMMON),
    anycreds.NoCredentialsError(
        "text", attempts=(anycreds.ProviderAttempt("one", "nothing", 0.5, _MISSED),), **_COMMON
    ),
    anycreds.InvalidConfigurationError("text", **_COMMON),
    anycreds.ReentrantProviderError("text", **_COMMON),
    anycreds.RetrievalError("text", status=500, code="Oops", **_COMMON),
    anycreds.ProviderTimeoutError("text", status=504, code="Slow", **_COMMON),
    anycreds.MalformedResponseError("text", field="Token", status=200, **_COMMON),
    anycreds.ForbiddenEndpointError("text", status=403, code="No", **_COMMON),
    anycreds.LifetimeTooShortError("text", **_COMMON),
    OwnError(tenant="them"),
]


def all_errors() -> list[CredentialsError]:
    """Return the errors above, and one of each other class."""
    errors, waiting = list(ERRORS), [CredentialsError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__ == CredentialsError.__module__ and not any(type(error) is kind for error in errors):
            errors.append(kind("text", **_COMMON))
    return errors


@each_row("error", all_errors(), ids=[type(error).__name__ for error in all_errors()])
def test_copy_of_an_error_keeps_everything(error: CredentialsError) -> None:
    """A copy has the class, texts, fields, notes and cause of the original, and no traceback or context."""
    error.add_note("a note")
    error.__cause__ = KeyError("why")
    try:
        raise error
    except CredentialsError:
        pass
    twin = error._copy()
    assert type(twin) is type(error)
    assert (str(twin), repr(twin), twin.args) == (str(error), repr(error), error.args)
    assert {**vars(twin), "__notes__": None} == {**vars(error), "__notes__": None}
    assert twin.__notes__ == error.__notes__
    assert twin.__notes__ is not error.__notes__
    assert twin.__cause__ is error.__cause__
    assert twin.__traceback__ is None
    assert twin.__context__ is None
    del error.__notes__
