"""One refresh for all who ask, owned by none of them: cancellation, patience, failure and exits."""

from __future__ import annotations

import contextvars
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


async def together(provider: anycreds.CachedProvider, count: int) -> list[anycreds.Credentials | BaseException]:
    """Ask in that many tasks at once; return what each got."""
    got: list[anycreds.Credentials | BaseException] = []

    async def ask() -> None:
        try:
            got.append(await provider())
        except anycreds.CredentialsError as error:
            got.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
    return got


async def test_cold_callers_share_one_exchange() -> None:
    """A thousand callers of an empty cache cost one call and get the very same set."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    got = await together(anycreds.cached(upstream, clock=clock), 1000)
    assert upstream.calls == 1
    assert len(got) == 1000
    assert all(one is got[0] for one in got)
    assert clock.monotonic() == LATENCY


async def test_failure_goes_to_every_waiter_at_once_as_its_own_error() -> None:
    """A failing source is asked once; each waiter gets an error of its own in the instant the source fails."""
    clock = VirtualClock()
    failure = anycreds.RetrievalError("the source said no", status=500, hint="ask again")
    failure.add_note("a note")
    upstream = FakeSource(clock, failure, latency=LATENCY)
    got = await together(anycreds.cached(upstream, clock=clock), 500)
    assert upstream.calls == 1
    assert clock.monotonic() == LATENCY
    assert len({id(error) for error in got}) == 500
    for error in got:
        assert isinstance(error, anycreds.RetrievalError)
        assert (error.message, error.status, error.hint) == ("the source said no", 500, "ask again")
        assert error.__notes__ == ["a note"]
        depth, trace = 0, error.__traceback__
        while trace is not None:
            depth, trace = depth + 1, trace.tb_next
        assert depth < 8  # a shared one would grow by each who raises it
    assert len({id(error.__notes__) for error in got if isinstance(error, BaseException)}) == 500


@pytest.mark.parametrize("step", range(3))
async def test_leader_cancelled_at_each_await_costs_nobody_anything(step: int) -> None:
    """Whoever started the refresh may be cancelled at any of its awaits: the others get the set of that same call."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got: list[Any] = []
    left_at: list[float] = []

    async def lead() -> None:
        with anyio.CancelScope() as scope:

            def cancel(number: int) -> None:
                if number == step:
                    scope.cancel()

            await stepped(provider(), cancel)
        left_at.append(clock.monotonic())

    async def follow() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.lowlevel.checkpoint()
        for _ in range(50):
            tasks.start_soon(follow)
    assert upstream.calls == 1
    assert [one.access_key_id for one in got] == ["AKID1"] * 50
    assert clock.monotonic() == LATENCY
    assert left_at == [0.0] if step == 0 else [LATENCY]
    assert (await provider()).access_key_id == "AKID1"


@pytest.mark.parametrize("after", [0.0, 0.5, LATENCY - 0.001, LATENCY, LATENCY + 0.001])
async def test_leader_cancelled_at_any_time_costs_nobody_anything(after: float) -> None:
    """The first caller may be cancelled at any time of the refresh, its last instant too: the others do not notice."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got: list[anycreds.Credentials] = []

    async def lead() -> None:
        with anyio.move_on_after(after):
            await provider()
        assert clock.monotonic() == min(after, LATENCY)

    async def follow() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        await anyio.lowlevel.checkpoint()
        for _ in range(10):
            tasks.start_soon(follow)
    assert upstream.calls == 1
    assert [one.access_key_id for one in got] == ["AKID1"] * 10


@pytest.mark.parametrize("step", range(3))
async def test_followers_cancelled_at_each_await_leave_alone(step: int) -> None:
    """Cancelling those who joined, at any of their awaits, lets them go at once and changes nothing for the first."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    got = []

    async def follow() -> None:
        with anyio.CancelScope() as scope:
            await stepped(provider(), lambda number: scope.cancel() if number == step else None)
        assert clock.monotonic() == (0.0 if step == 0 else LATENCY)

    async def lead() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lead)
        for _ in range(20):
            tasks.start_soon(follow)
    assert [one.access_key_id for one in got] == ["AKID1"]
    assert upstream.calls == 1


async def test_all_waiters_gone_the_refresh_still_lands() -> None:
    """A refresh that nobody waits for any more ends by itself, and its set serves the next caller at once."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=LATENCY)
    provider = anycreds.cached(upstream, clock=clock)
    with anyio.move_on_after(0.5):
        await provider()
    assert clock.monotonic() == 0.5
    await anyio.sleep(2)
    assert (await provider()).access_key_id == "AKID1"
    assert upstream.calls == 1


async def test_deadlines_shorter_than_the_refresh_still_get_everybody_served() -> None:
    """120 callers with 250 ms patience, a source that takes 300 ms: one call, and all who come later are served."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=0.3)
    provider = anycreds.cached(upstream, clock=clock)
    served: list[float] = []

    async def ask(at: float) -> None:
        await anyio.sleep(at)
        with anyio.move_on_after(0.25):
            await provider()
            served.append(at)

    async with anyio.create_task_group() as tasks:
        for number in range(120):
            tasks.start_soon(ask, number * 0.01)
    assert upstream.calls == 1
    assert sorted(served) == [number * 0.01 for number in range(120) if number * 0.01 > 0.05 + 1e-9]


async def test_refresh_ends_after_sixty_seconds() -> None:
    """A source that hangs is given up after 60 s, with an error that says so, for all who wait."""
    clock = VirtualClock()
    upstream = FakeSource(clock, latency=10_000.0)
    got = await together(anycreds.cached(upstream, clock=clock), 3)
    assert [type(error) for error in got] == [anycreds.ProviderTimeoutError] * 3
    assert clock.monotonic() == 60.0
    assert upstream.running == 0
    assert "60 s" in str(got[0])


async def test_foreign_exception_becomes_a_retrieval_error_with_its_cause() -> None:
    """What a user's function raises reaches each caller as ``RetrievalError``, with the original as its cause."""
    clock = VirtualClock()
    original = KeyError("it broke")
    got = await together(anycreds.cached(FakeSource(clock, original), clock=clock), 2)
    assert all(isinstance(error, anycreds.RetrievalError) and error.__cause__ is original for error in got)
    assert got[0] is not got[1]


async def test_group_from_a_users_nursery_does_not_come_out_as_a_group() -> None:
    """An ``ExceptionGroup`` out of a user's function becomes one ``RetrievalError``, with the group as its cause."""

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


@pytest.mark.parametrize("leave", [SystemExit(3), KeyboardInterrupt()])
async def test_wish_to_exit_reaches_one_caller(leave: BaseException) -> None:
    """``SystemExit`` and ``KeyboardInterrupt`` out of a source are raised in one of those who wait, as they are."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, leave, latency=LATENCY), clock=clock)
    exits: list[BaseException] = []
    errors: list[anycreds.CredentialsError] = []

    async def ask() -> None:
        try:
            await provider()
        except anycreds.CredentialsError as error:
            errors.append(error)
        except (SystemExit, KeyboardInterrupt) as error:
            exits.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
    assert exits == [leave]
    assert len(errors) == 2


async def test_refresh_runs_in_the_first_callers_context() -> None:
    """A refresh sees the context variables of whoever started it, and changes nobody's."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    seen = []

    async def source() -> anycreds.Credentials:
        seen.append(tenant.get())
        tenant.set("changed")
        return anycreds.Credentials("AKID", "shh")

    tenant.set("first")
    await anycreds.cached(source)()
    assert seen == ["first"]
    assert tenant.get() == "first"


async def test_calls_after_each_other_make_one_call_a_second_at_most() -> None:
    """Even a source whose sets end at once is asked once a second, not in a loop."""
    clock = VirtualClock()
    upstream = FakeSource(clock, life=0.1)
    provider = anycreds.cached(upstream, clock=clock)
    while clock.monotonic() < 20:
        await provider()
        await anyio.sleep(0.11)
    gaps = [later - earlier for earlier, later in pairwise(upstream.started)]
    assert min(gaps) >= 1.0
    assert len(gaps) > 10
