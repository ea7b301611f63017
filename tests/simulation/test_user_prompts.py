"""A person who is asked has minutes, while the clock of the flight stands still; before and after it runs as ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, Credentials, CredentialsError, ProviderTimeoutError
from anycreds._cache.refresh import ABANDONED, InFlightRefresh
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._system.deadlines import Attempt, pause_attempt
from anycreds._system.event_loop import current_loop
from anycreds._system.io import SystemRuntime
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.coroutine_stepper import stepped
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio

MINUTE = 60.0
PATIENCE = 5 * MINUTE  # of the provider with the person that it asks
FLIGHT = 60.0


class Asking(Provider):
    """Works for some seconds, asks a person, and works again; or does it with two persons at once."""

    __slots__ = ("after", "before", "persons")

    def __init__(self, clock: VirtualClock, before: float, after: float, *persons: float) -> None:
        super().__init__("a person", SystemRuntime(clock))
        self.before = before
        self.after = after
        self.persons = persons

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await anyio.sleep(self.before)

        async def ask(person: float) -> None:
            question = io.user_prompt(PATIENCE, "the code")
            questions.append(question)  # what is over has an end of its own, not that of the last one who knows it
            with question:
                await anyio.sleep(person)

        questions: list[object] = []
        if len(self.persons) == 1:
            await ask(*self.persons)
        else:
            async with anyio.create_task_group() as tasks:
                for number, person in enumerate(self.persons):
                    tasks.start_soon(ask, person, name=f"person {number}")
        await anyio.sleep(self.after)
        return make_credentials("A", None)


async def timed(ask: Callable[[], Awaitable[Credentials]]) -> tuple[type, str, float]:
    """Return what comes of it, of which source, and how many virtual seconds it took."""
    begun = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await ask()
    except CredentialsError as error:
        outcome = error
    return type(outcome), outcome.source or "", round(anyio.current_time() - begun, 6)


def asking(before: float, after: float, *persons: float) -> CachedProvider:
    clock = VirtualClock()
    return anycreds.cached(Asking(clock, before, after, *persons), clock=clock)


@pytest.mark.parametrize("person", [0.0, 59.0, 4 * MINUTE, PATIENCE - 0.001])
async def test_a_person_has_minutes(person: float) -> None:
    """An answer that comes within the person's own time lands, however long a flight may take."""
    assert await timed(asking(10, 49.9, person)) == (Credentials, "", round(59.9 + person, 6))


async def test_a_person_who_is_gone() -> None:
    """A person who does not answer is waited for to the second, and no longer."""
    assert await timed(asking(10, 10, 3600.0)) == (ProviderTimeoutError, "the code", 10 + PATIENCE)


@pytest.mark.parametrize(
    ("before", "after", "took"), [(70, 0, FLIGHT), (20, 50, FLIGHT + 4 * MINUTE), (0, 61, FLIGHT + 4 * MINUTE)]
)
async def test_the_rest_has_its_minute_together(before: float, after: float, took: float) -> None:
    """What is done before and after asking counts against the 60 seconds of the flight."""
    assert await timed(asking(before, after, 4 * MINUTE)) == (ProviderTimeoutError, "a person", took)


async def test_two_persons_at_once() -> None:
    """The clock stands still from the first question to the last answer, whichever overlap."""
    assert await timed(asking(10, 49, 2 * MINUTE, 4 * MINUTE)) == (Credentials, "", 59 + 4 * MINUTE)
    assert await timed(asking(10, 51, 2 * MINUTE, 4 * MINUTE)) == (ProviderTimeoutError, "a person", 60 + 4 * MINUTE)


async def test_without_a_cache() -> None:
    """Without a flight there is only the person's own time."""
    for person, expected in (4 * MINUTE, Credentials), (PATIENCE + 1, ProviderTimeoutError):
        assert (await timed(Asking(VirtualClock(), 0, 0, person)))[0] is expected


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (4 * MINUTE, (Credentials, "", 60 + 4 * MINUTE)),
        (PATIENCE + 1, (ProviderTimeoutError, "the code", 10 + PATIENCE)),
    ],
)
async def test_who_waits_for_a_flight_that_asks(person: float, expected: tuple[type, str, float]) -> None:
    """Caches over caches wait as long as the one that asks, and get what it gets."""
    inner = asking(10, 49, person)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), inner)
    middle = anycreds.cached(chain, clock=VirtualClock())
    lasting = Work(middle, 0.5, 0.5)
    outer = anycreds.cached(lasting, clock=lasting.clock)
    kind, source, took = await timed(outer)
    assert (kind, source) == expected[:2]
    assert took == expected[2] + (0 if kind is Credentials else 0.5)


class Work(Provider):
    """Works for some seconds, waits for another provider, and works again."""

    __slots__ = ("after", "before", "clock", "other")

    def __init__(self, other: Provider, before: float, after: float) -> None:
        self.clock = VirtualClock()
        super().__init__("work", SystemRuntime(self.clock))
        self.other = other
        self.before = before
        self.after = after

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await anyio.sleep(self.before)
        found = await self.other()
        await anyio.sleep(self.after)
        return found


async def test_own_work_of_who_waits_counts() -> None:
    """A flight that waited for another has of its own 60 seconds what it had when it began to wait."""
    for after, expected in (39.0, Credentials), (41.0, ProviderTimeoutError):
        work = Work(asking(0, 0, 4 * MINUTE), 20, after)
        kind, _, took = await timed(anycreds.cached(work, clock=work.clock))
        assert (kind, took) == (expected, 20 + 4 * MINUTE + min(after, 40))


async def test_who_asks_may_be_cancelled() -> None:
    """A refresh that is cancelled, as ``keep_fresh`` does it, ends at once while the user is prompted."""
    provider = asking(0, 0, 4 * MINUTE)
    refresh = InFlightRefresh(provider._state, current_loop())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refresh.run, 0.0)
        await anyio.sleep(2 * MINUTE)
        assert refresh.outcome is None
        await refresh.cancel()
    assert refresh.outcome == ABANDONED
    assert anyio.current_time() == 2 * MINUTE


@pytest.mark.parametrize("cancel_at", range(12))
async def test_holds_that_are_cancelled_are_given_back(cancel_at: int) -> None:
    """Whenever a flight that waits for another is left alone, its clock runs on with what was left."""
    inner = asking(0, 0, 4 * MINUTE)

    async def impatient() -> Credentials:
        with anyio.CancelScope() as scope:

            def before(step: int) -> None:
                if step == cancel_at:
                    scope.cancel()

            return await stepped(inner(), before)
        await anyio.sleep_forever()
        raise AssertionError

    class Impatient(Provider):
        __slots__ = ()

        async def _load(self, io: Io, caller: ClientContext) -> Credentials:
            return await impatient()

    clock = VirtualClock()
    kind, _, took = await timed(anycreds.cached(Impatient("impatient", SystemRuntime(clock)), clock=clock))
    if kind is Credentials:  # it was not cancelled so late
        assert took == 4 * MINUTE
    else:
        assert (kind, took) == (ProviderTimeoutError, FLIGHT)


async def test_a_clock_of_another_run_is_left_alone() -> None:
    """An attempt is not paused by code in another event loop: their clocks have nothing in common."""
    attempt, seen = Attempt(MINUTE, "one"), list[float]()
    with attempt:
        seen.append(attempt._scope.deadline)
        attempt._loop = "another run"
        with pause_attempt():
            seen.append(attempt._scope.deadline)
        attempt._loop = current_loop()
        with pause_attempt(), pause_attempt():
            seen.append(attempt._scope.deadline)
        seen.append(attempt._scope.deadline)
    assert seen == [MINUTE, MINUTE, float("inf"), MINUTE]


@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_function_that_awaits_who_asks(is_cached: bool) -> None:
    """A person asked by a provider that the program's own function awaits has minutes, too, cached or not."""
    clock = VirtualClock()
    inner = Asking(clock, 5, 5, 4 * MINUTE)
    source = anycreds.cached(inner, clock=clock) if is_cached else inner

    async def function() -> Credentials:
        return await source()

    outer = anycreds.cached(function, clock=clock)
    kind, _, seconds = await timed(outer)
    assert (kind, seconds) == (Credentials, 10 + 4 * MINUTE)
