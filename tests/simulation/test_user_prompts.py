"""While the user is prompted, the deadline of the attempt stands still; before and after, its time counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, Credentials, CredentialsError, ProviderTimeoutError
from anycreds._cache.outcome import ABANDONED
from anycreds._cache.refresh import InFlightRefresh
from anycreds._core.io import Io
from anycreds._core.provider import ClientContext, Provider
from anycreds._system.deadlines import Attempt, pause_attempt
from anycreds._system.event_loop import current_loop
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio

MINUTE = 60.0
PROMPT_TIMEOUT = 5 * MINUTE
ATTEMPT_TIMEOUT = 60.0


class PromptingProvider(Provider):
    """Works for some seconds, prompts the user, and works again; or makes two prompts at the same time."""

    __slots__ = ("after", "before", "prompts")

    def __init__(self, clock: VirtualClock, before: float, after: float, *prompts: float) -> None:
        super().__init__("prompting", SystemRuntime(clock))
        self.before = before
        self.after = after
        self.prompts = prompts

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await anyio.sleep(self.before)

        async def prompt_user(seconds: float) -> None:
            prompt = io.user_prompt(PROMPT_TIMEOUT, "the code")
            prompts.append(prompt)  # so that a prompt ends with its block, not when it is freed
            with prompt:
                await anyio.sleep(seconds)

        prompts: list[object] = []
        if len(self.prompts) == 1:
            await prompt_user(*self.prompts)
        else:
            async with anyio.create_task_group() as tasks:
                for seconds in self.prompts:
                    tasks.start_soon(prompt_user, seconds)
        await anyio.sleep(self.after)
        return make_credentials("A", None)


async def timed(call: Callable[[], Awaitable[Credentials]]) -> tuple[type, str, float]:
    """Return what a call returns or raises, its source, and how many virtual seconds it took."""
    started = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await call()
    except CredentialsError as error:
        outcome = error
    return type(outcome), outcome.source or "", round(anyio.current_time() - started, 6)


def prompting(before: float, after: float, *prompts: float) -> CachedProvider:
    clock = VirtualClock()
    return anycreds.cached(PromptingProvider(clock, before, after, *prompts), clock=clock)


@pytest.mark.parametrize("seconds", [0.0, 59.0, 4 * MINUTE, PROMPT_TIMEOUT - 0.001])
async def test_prompt_may_take_minutes(seconds: float) -> None:
    """A response within the prompt's own time is used, though it takes longer than the deadline of an attempt."""
    assert await timed(prompting(10, 49.9, seconds)) == (Credentials, "", round(59.9 + seconds, 6))


async def test_prompt_without_a_response_times_out() -> None:
    """A prompt without a response ends exactly after its own time."""
    assert await timed(prompting(10, 10, 3600.0)) == (ProviderTimeoutError, "the code", 10 + PROMPT_TIMEOUT)


@pytest.mark.parametrize(
    ("before", "after", "took"),
    [(70, 0, ATTEMPT_TIMEOUT), (20, 50, ATTEMPT_TIMEOUT + 4 * MINUTE), (0, 61, ATTEMPT_TIMEOUT + 4 * MINUTE)],
)
async def test_work_around_a_prompt_has_one_minute(before: float, after: float, took: float) -> None:
    """The work before and after a prompt counts against the 60 seconds of the attempt."""
    assert await timed(prompting(before, after, 4 * MINUTE)) == (ProviderTimeoutError, "prompting", took)


async def test_deadline_stands_still_during_overlapping_prompts() -> None:
    """The deadline stands still from the first prompt to the last response, if prompts overlap."""
    assert await timed(prompting(10, 49, 2 * MINUTE, 4 * MINUTE)) == (Credentials, "", 59 + 4 * MINUTE)
    late = ProviderTimeoutError, "prompting", 60 + 4 * MINUTE
    assert await timed(prompting(10, 51, 2 * MINUTE, 4 * MINUTE)) == late


async def test_prompt_without_a_cache_has_its_own_time() -> None:
    """Without a cache a prompt has its own time too."""
    for seconds, expected in (4 * MINUTE, Credentials), (PROMPT_TIMEOUT + 1, ProviderTimeoutError):
        assert (await timed(PromptingProvider(VirtualClock(), 0, 0, seconds)))[0] is expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (4 * MINUTE, (Credentials, "", 60 + 4 * MINUTE)),
        (PROMPT_TIMEOUT + 1, (ProviderTimeoutError, "the code", 10 + PROMPT_TIMEOUT)),
    ],
    ids=["response", "timeout"],
)
async def test_caches_around_a_prompting_provider_wait(seconds: float, expected: tuple[type, str, float]) -> None:
    """Caches around a cache wait as long as the one that prompts, and get its outcome."""
    inner = prompting(10, 49, seconds)
    chain = anycreds.create_credential_chain(anycreds.from_env(environ={}), inner)
    middle = anycreds.cached(chain, clock=VirtualClock())
    work = Work(middle, 0.5, 0.5)
    outer = anycreds.cached(work, clock=work.clock)
    kind, source, took = await timed(outer)
    assert (kind, source) == expected[:2]
    assert took == expected[2] + (0 if kind is Credentials else 0.5)


class Work(Provider):
    """Works for some seconds, awaits another provider, and works again."""

    __slots__ = ("after", "before", "clock", "other")

    def __init__(self, other: Provider, before: float, after: float) -> None:
        self.clock = VirtualClock()
        super().__init__("work", SystemRuntime(self.clock))
        self.other = other
        self.before = before
        self.after = after

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        await anyio.sleep(self.before)
        credentials = await self.other()
        await anyio.sleep(self.after)
        return credentials


async def test_work_around_a_wait_has_one_minute() -> None:
    """An attempt that waited for another refresh has 60 seconds for its own work."""
    for after, expected in (39.0, Credentials), (41.0, ProviderTimeoutError):
        work = Work(prompting(0, 0, 4 * MINUTE), 20, after)
        kind, _, took = await timed(anycreds.cached(work, clock=work.clock))
        assert (kind, took) == (expected, 20 + 4 * MINUTE + min(after, 40))


async def test_prompt_can_be_cancelled() -> None:
    """A refresh that is cancelled, as ``keep_fresh`` does it, ends at once while the user is prompted."""
    provider = prompting(0, 0, 4 * MINUTE)
    refresh = InFlightRefresh(provider._state, current_loop())

    refresh.start(provider)
    await anyio.sleep(2 * MINUTE)
    assert refresh.is_running
    await refresh.cancel()
    assert refresh.outcome == ABANDONED
    assert anyio.current_time() == 2 * MINUTE


async def test_deadline_continues_after_a_cancelled_wait() -> None:
    """Whenever a wait for another refresh is cancelled, the deadline of the attempt continues."""
    for cancelled_after in (0.0, 0.001, 59.0, 61.0, 4 * MINUTE - 0.001):
        inner = prompting(0, 0, 4 * MINUTE)

        class CancellingProvider(Provider):
            __slots__ = ()

            async def _load(
                self, io: Io, context: ClientContext, inner: CachedProvider = inner, seconds: float = cancelled_after
            ) -> Credentials:
                with anyio.move_on_after(seconds):
                    return await inner()
                await anyio.sleep_forever()
                raise AssertionError

        clock = VirtualClock()
        provider = anycreds.cached(CancellingProvider("cancelling", SystemRuntime(clock)), clock=clock)
        kind, _, took = await timed(provider)
        assert (kind, took) == (ProviderTimeoutError, cancelled_after + ATTEMPT_TIMEOUT), cancelled_after


async def test_attempt_of_another_loop_is_not_paused() -> None:
    """An attempt is not paused by code in another event loop, whose clock has another origin."""
    attempt, seen = Attempt(MINUTE, "one"), list[float]()
    with attempt:
        seen.append(attempt._end)
        attempt._loop = "another loop"
        with pause_attempt():
            seen.append(attempt._end)
        attempt._loop = current_loop()
        with pause_attempt(), pause_attempt():
            seen.append(attempt._end)
        seen.append(attempt._end)
    assert seen == [MINUTE, MINUTE, float("inf"), MINUTE]


@pytest.mark.parametrize("is_cached", [True, False])
async def test_prompt_in_a_function_may_take_minutes(is_cached: bool) -> None:
    """A provider that prompts has minutes in a user's function too, cached or not."""
    clock = VirtualClock()
    inner = PromptingProvider(clock, 5, 5, 4 * MINUTE)
    source = anycreds.cached(inner, clock=clock) if is_cached else inner

    async def function() -> Credentials:
        return await source()

    outer = anycreds.cached(function, clock=clock)
    kind, _, seconds = await timed(outer)
    assert (kind, seconds) == (Credentials, 10 + 4 * MINUTE)
