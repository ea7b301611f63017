"""One refresh for all callers, owned by none of them: cancellation, limited waits, failures and process exits."""

from __future__ import annotations

import contextvars
import gc
import logging
import types
from itertools import pairwise
from typing import Any

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.coroutine_stepper import stepped
from support.fake_source import FakeSource

pytestmark = pytest.mark.anyio

LATENCY = 2.0


async def call_at_once(provider: anycreds.CachedProvider, count: int) -> list[anycreds.Credentials | BaseException]:
    """Call in that many tasks at once; return what each got."""
    got: list[anycreds.Credentials | BaseException] = []

    async def call() -> None:
        try:
            got.append(await provider())
        except anycreds.CredentialsError as error:
            got.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(call)
    return got


async def test_cold_callers_share_one_call() -> None:
    """A thousand callers of an empty cache cause one call and get the same object."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    got = await call_at_once(anycreds.cached(upstream, clock=clock), 1000)
    assert upstream.calls == 1
    assert len(got) == 1000
    assert all(one is got[0] for one in got)
    assert clock.monotonic() == LATENCY


@pytest.mark.fault("C03")
async def test_each_waiter_gets_its_own_copy_of_the_error() -> None:
    """A failing source is called once; each waiter gets an error of its own at the moment of the failure."""
    clock = VirtualClock()
    failure = anycreds.RetrievalError("the source failed", status=500, hint="try again")
    failure.add_note("a note")
    upstream = FakeSource(clock, failure, latency=LATENCY)
    got = await call_at_once(anycreds.cached(upstream, clock=clock), 500)
    assert upstream.calls == 1
    assert clock.monotonic() == LATENCY
    assert len({id(error) for error in got}) == 500
    for error in got:
        assert isinstance(error, anycreds.RetrievalError)
        assert (error.message, error.status, error.hint) == ("the source failed", 500, "try again")
        assert error.__notes__ == ["a note"]
        depth, trace = 0, error.__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        assert depth < 8  # the traceback of a shared error grows each time it is raised
    assert len({id(error.__notes__) for error in got if isinstance(error, BaseException)}) == 500


@pytest.mark.fault("C01")
@pytest.mark.parametrize("step", range(3))
async def test_first_caller_cancelled_at_each_await(step: int) -> None:
    """The caller that started the refresh may be cancelled at any await: the others get its credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got: list[Any] = []
    cancelled_at: list[float] = []

    async def call_first() -> None:
        with anyio.CancelScope() as scope:

            def cancel(number: int) -> None:
                if number == step:
                    scope.cancel()

            await stepped(provider(), cancel)
        cancelled_at.append(clock.monotonic())

    async def call_later() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_first)
        await anyio.lowlevel.checkpoint()
        for _ in range(50):
            tasks.start_soon(call_later)
    assert upstream.calls == 1
    assert [one.access_key_id for one in got] == ["AKID1"] * 50
    assert clock.monotonic() == LATENCY
    assert cancelled_at == [0.0] if step == 0 else [LATENCY]
    assert (await provider()).access_key_id == "AKID1"


@pytest.mark.fault("C01", "C16")
@pytest.mark.parametrize("after", [0.0, 0.5, LATENCY - 0.001, LATENCY, LATENCY + 0.001])
async def test_first_caller_cancelled_at_any_time(after: float) -> None:
    """The first caller may be cancelled at any time of the refresh, also at its end: the others get the credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got: list[anycreds.Credentials] = []

    async def call_first() -> None:
        with anyio.move_on_after(after):
            await provider()
        assert clock.monotonic() == min(after, LATENCY)

    async def call_later() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_first)
        await anyio.lowlevel.checkpoint()
        for _ in range(10):
            tasks.start_soon(call_later)
    assert upstream.calls == 1
    assert [one.access_key_id for one in got] == ["AKID1"] * 10


@pytest.mark.parametrize("step", range(3))
async def test_other_callers_cancelled_at_each_await(step: int) -> None:
    """Callers that joined may be cancelled at any await; the first caller still gets the credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got = []

    async def call_later() -> None:
        with anyio.CancelScope() as scope:
            await stepped(provider(), lambda number: scope.cancel() if number == step else None)
        assert clock.monotonic() == (0.0 if step == 0 else LATENCY)

    async def call_first() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_first)
        for _ in range(20):
            tasks.start_soon(call_later)
    assert [one.access_key_id for one in got] == ["AKID1"]
    assert upstream.calls == 1


@pytest.mark.fault("C02")
async def test_refresh_without_waiters_finishes() -> None:
    """A refresh whose waiters were all cancelled finishes, and the next caller gets its credentials at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    with anyio.move_on_after(0.5):
        await provider()
    assert clock.monotonic() == 0.5
    await anyio.sleep(2)
    assert (await provider()).access_key_id == "AKID1"
    assert upstream.calls == 1


@pytest.mark.fault("C13")
async def test_deadlines_shorter_than_the_refresh() -> None:
    """Callers that wait 250 ms for a call of 300 ms cause one call, and all later callers get credentials."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=0.3)
    provider = anycreds.cached(upstream, clock=clock)
    served: list[float] = []

    async def call(at: float) -> None:
        await anyio.sleep(at)
        with anyio.move_on_after(0.25):
            await provider()
            served.append(at)

    async with anyio.create_task_group() as tasks:
        for number in range(120):
            tasks.start_soon(call, number * 0.01)
    assert upstream.calls == 1
    assert sorted(served) == [number * 0.01 for number in range(120) if number * 0.01 > 0.05 + 1e-9]


async def test_refresh_times_out_after_sixty_seconds() -> None:
    """A source that hangs is cancelled after 60 s, and all waiters get an error that says so."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=10_000.0)
    got = await call_at_once(anycreds.cached(upstream, clock=clock), 3)
    assert [type(error) for error in got] == [anycreds.ProviderTimeoutError] * 3
    assert clock.monotonic() == 60.0
    assert upstream.running == 0
    assert "60 s" in str(got[0])


@pytest.mark.fault("C08")
async def test_exception_of_a_function_becomes_the_cause() -> None:
    """An exception of a user's function reaches each caller as the cause of a ``RetrievalError``."""
    clock = VirtualClock()
    original = KeyError("broken")
    got = await call_at_once(anycreds.cached(FakeSource(clock, original), clock=clock), 2)
    assert all(isinstance(error, anycreds.RetrievalError) and error.__cause__ is original for error in got)
    assert got[0] is not got[1]


@pytest.mark.fault("C11")
async def test_exception_group_of_a_function_becomes_the_cause() -> None:
    """An ``ExceptionGroup`` of a user's function becomes the cause of one ``RetrievalError``."""

    async def fail() -> None:
        raise ValueError("no")

    async def source() -> anycreds.Credentials:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            await anyio.sleep_forever()
        raise AssertionError

    with pytest.raises(anycreds.RetrievalError) as caught:
        await anycreds.cached(source)()
    assert isinstance(caught.value.__cause__, ExceptionGroup)


@pytest.mark.fault("C09")
@pytest.mark.parametrize("process_exit", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
async def test_process_exit_reaches_one_caller(process_exit: BaseException) -> None:
    """``SystemExit`` and ``KeyboardInterrupt`` of a source are raised in one of the waiters, unchanged."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, process_exit, latency=LATENCY), clock=clock)
    exits: list[BaseException] = []
    errors: list[anycreds.CredentialsError] = []

    async def call() -> None:
        try:
            await provider()
        except anycreds.CredentialsError as error:
            errors.append(error)
        except (SystemExit, KeyboardInterrupt) as error:
            exits.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
    assert exits == [process_exit]
    assert len(errors) == 2


@pytest.mark.fault("C12")
async def test_refresh_runs_in_the_context_of_the_first_caller() -> None:
    """A refresh sees the context variables of the caller that started it, and changes no other context."""
    tenant = contextvars.ContextVar("tenant", default="none")
    seen = []

    async def source() -> anycreds.Credentials:
        seen.append(tenant.get())
        tenant.set("changed")
        return anycreds.Credentials("AKID", "shh")

    tenant.set("first")
    await anycreds.cached(source)()
    assert seen == ["first"]
    assert tenant.get() == "first"


@pytest.mark.fault("U21")
async def test_short_lived_credentials_cause_one_call_per_second() -> None:
    """A source whose credentials expire at once is called once per second, not in a loop."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=0.1)
    provider = anycreds.cached(upstream, clock=clock)
    while clock.monotonic() < 20:
        await provider()
        await anyio.sleep(0.11)
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    assert min(gaps) >= 1.0
    assert len(gaps) > 10


@pytest.mark.fault("S22")
async def test_replaced_credentials_are_freed(caplog: pytest.LogCaptureFixture) -> None:
    """Once credentials have been replaced or invalidated, nothing keeps them, and so none of their secrets."""
    caplog.set_level(logging.ERROR, "anycreds")  # pytest keeps the records, and so their events
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock), clock=clock)
    first = await provider()
    assert owners(first) != []
    await anyio.sleep(7200)
    second = await provider()
    await anyio.sleep(0.001)  # the task of the refresh ends
    assert owners(first) == []
    assert owners(second) != []
    provider.invalidate(second)
    assert owners(second) == []


def owners(credentials: anycreds.Credentials) -> list[object]:
    """Return what keeps credentials alive, beside the running test."""
    gc.collect()
    kinds = (types.FrameType, types.CoroutineType)
    return [each for each in gc.get_referrers(credentials) if not isinstance(each, kinds)]
