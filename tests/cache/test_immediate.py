"""A source that answers without waiting is asked in the caller's own task: no refresh task, no thread, no backend."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds import Credentials, InvalidConfigurationError, NotConfiguredError, RetrievalError
from anycreds._cache.state import CacheState, CallPlan
from anycreds.events import AttemptFailed, AttemptStarted, Event, Refreshed, Waited
from anycreds.testing import CANARY, ManualClock
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret"}
ENVIRONMENT, CHAIN = "environment variables", "credential chain"

FIRST_CALL = """
import sys, threading
import anycreds

loop, keeps_fresh = sys.argv[1], len(sys.argv) > 2
provider = anycreds.from_default_chain(environ={"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "x" * 40})
here, met = threading.get_ident(), []

class Watching:
    def find_spec(self, name, path=None, target=None):
        if threading.get_ident() == here:
            met.append(name)

async def main():
    sys.meta_path.insert(0, Watching())
    if keeps_fresh:
        async with provider.keep_fresh() as fresh:
            assert fresh.credentials.access_key_id == "AKIDENV"
    else:
        start, threading.Thread.start = threading.Thread.start, None
        assert (await provider()).access_key_id == "AKIDENV"
        threading.Thread.start = start
    sys.meta_path.pop(0)

if loop == "trio":
    import trio
    trio.run(main)
else:
    import asyncio
    asyncio.run(main())
print(*met)
"""


class Environ(Mapping[str, str]):
    """Environment variables that count how often the access key is read, and may raise instead."""

    def __init__(self, variables: Mapping[str, str], error: BaseException | None = None) -> None:
        self.variables = variables
        self.error = error
        self.reads = 0

    def __getitem__(self, name: str) -> str:
        self.reads += name == "AWS_ACCESS_KEY_ID"
        if self.error is not None:
            raise self.error
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


async def fallback() -> Credentials:
    """Return credentials after a wait."""
    await anyio.lowlevel.checkpoint()
    return make_credentials("FALLBACK", None)


async def unused() -> Credentials:
    raise AssertionError("the chain must not get here")


def first_call(*arguments: str) -> list[str]:
    """Make the first call of a fresh process; return the modules that the event loop's thread loaded for it."""
    command = [sys.executable, "-c", FIRST_CALL, *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.split()


def test_environment_keys_load_and_start_nothing() -> None:
    """The first call of the default chain with access keys in the environment loads no module and starts no thread."""
    for loop in ("asyncio", "trio"):
        assert first_call(loop) == []


def test_keep_fresh_does_not_load_the_backend_in_the_event_loop() -> None:
    """A block of ``keep_fresh`` loads what its task needs in a thread, if its first credentials needed nothing."""
    for loop in ("asyncio", "trio"):
        assert not [name for name in first_call(loop, "keep fresh") if name.startswith("anyio")]


async def test_call_does_not_suspend() -> None:
    """The first call of a cached provider, chain or nested chain of environment keys returns without a suspension."""
    env = anycreds.from_env(environ=KEYS)
    chain = anycreds.create_credential_chain(env, unused)
    for provider in (env, anycreds.cached(env), anycreds.cached(anycreds.create_credential_chain(chain, unused))):
        call = provider()
        with pytest.raises(StopIteration) as end:
            call.send(None)
        assert end.value.value.access_key_id == "AKIDENV"


@pytest.mark.parametrize(
    ("environ", "kinds", "expected"),
    [
        (KEYS, [AttemptStarted, AttemptStarted, Refreshed, Waited], Credentials),
        (
            {"AWS_ACCESS_KEY_ID": "AKIDENV"},
            [AttemptStarted, AttemptStarted, AttemptFailed, AttemptFailed, Waited],
            InvalidConfigurationError,
        ),
        ({}, [AttemptStarted, AttemptStarted, AttemptFailed, AttemptStarted, Refreshed, Waited], Credentials),
    ],
)
async def test_events_are_those_of_a_refresh(
    environ: dict[str, str], kinds: list[type], expected: type[Credentials | Exception]
) -> None:
    """An observer gets each event of a refresh once and in order, whether the source answers at once or not."""
    events: list[Event] = []
    chain = anycreds.create_credential_chain(anycreds.from_env(environ=environ), fallback)
    provider = anycreds.cached(chain, observer=events.append)
    found: Credentials | Exception
    try:
        found = await provider()
    except InvalidConfigurationError as error:
        found = error
    assert isinstance(found, expected)
    assert [type(event) for event in events] == kinds
    assert [event.provider for event in events[:2]] == [CHAIN, ENVIRONMENT]


async def test_chain_within_an_attempt_reports_to_its_observer() -> None:
    """A chain that a function of a cached provider awaits notifies the observer of that provider."""
    events: list[Event] = []
    chain = anycreds.create_credential_chain(anycreds.from_env(environ=KEYS), unused)

    async def source() -> Credentials:
        return await chain()

    await anycreds.cached(source, observer=events.append)()
    assert [event.provider for event in events if isinstance(event, AttemptStarted)][1:] == [ENVIRONMENT]


async def test_nothing_configured_is_an_error_at_once() -> None:
    """Environment variables without keys are an error of the call, and keys that are set afterwards are found."""
    environ = dict[str, str]()
    provider = anycreds.cached(anycreds.from_env(environ=environ))
    with pytest.raises(NotConfiguredError, match="environment variables: neither"):
        await provider()
    environ.update(KEYS)
    assert (await provider()).access_key_id == "AKIDENV"


async def test_chain_sets_an_expiration() -> None:
    """A chain with ``expire_after`` sets the expiration of credentials that were there at once."""
    clock = ManualClock()
    environ = {**KEYS, "AWS_CREDENTIAL_EXPIRATION": "2999-01-01T00:00:00Z"}
    for variables, expected in ((KEYS, clock.time() + 600), (environ, 32472144000)):
        chain = anycreds.create_credential_chain(anycreds.from_env(environ=variables), unused).expire_after(600)
        expiration = (await anycreds.cached(chain, clock=clock)()).expiration
        assert expiration is not None
        assert expiration.timestamp() == expected


async def test_forced_refresh_has_the_floor_of_a_second() -> None:
    """A forced refresh calls a source that answers at once again, but not within a second of the last call."""
    environ = Environ(KEYS)
    provider = anycreds.cached(anycreds.from_env(environ=environ))
    await provider()
    with anyio.move_on_after(0.05):
        await provider(refresh=True)
    assert environ.reads == 1
    clock = ManualClock()
    provider = anycreds.cached(anycreds.from_env(environ=environ), clock=clock)
    for _ in range(2):
        await provider(refresh=True)
        clock.advance(2)
    assert environ.reads == 3


@pytest.mark.parametrize(
    ("error", "expected"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (SystemExit(3), SystemExit), (ValueError("x"), RetrievalError)],
)
async def test_exception_of_the_environment(error: BaseException, expected: type[BaseException]) -> None:
    """An interrupt while the source answers reaches the caller, another exception becomes an error, and both end it."""
    environ = Environ(KEYS, error)
    provider = anycreds.cached(anycreds.from_env(environ=environ), clock=(clock := ManualClock()))
    with pytest.raises(expected) as raised:
        await provider()
    if expected is RetrievalError:
        assert raised.value.__cause__ is error
    environ.error = None
    clock.advance(2)
    assert (await provider()).access_key_id == "AKIDENV"


async def test_invalidated_during_the_call() -> None:
    """Credentials that are invalidated while the source answers at once are not cached."""
    clock = ManualClock()
    events: list[Event] = []

    def observer(event: Event) -> None:
        events.append(event)
        if len(events) == 1:
            provider.invalidate(old)

    plain = anycreds.cached(anycreds.from_env(environ=KEYS), clock=clock)
    old = await plain()
    provider = anycreds.cached(plain, observer=observer)
    assert await provider() == old  # nothing was cached yet
    events.clear()
    clock.advance(2)
    with anyio.move_on_after(0.05) as waits:
        await provider(refresh=True)
    assert waits.cancelled_caught  # for the refresh after the abandoned one, a second later


async def test_one_caller_tries_for_all() -> None:
    """While one of many callers loads what waiting needs, the others do not ask the source that has to wait."""
    environ = Environ({})
    chain = anycreds.create_credential_chain(anycreds.from_env(environ=environ), fallback)
    provider = anycreds.cached(chain)
    is_loaded = anyio.Event()

    class Runtime(type(provider._runtime)):  # type: ignore[misc]
        async def preload(self, modules: tuple[str, ...] = ()) -> bool:
            await is_loaded.wait()
            return True

    provider._runtime = Runtime()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(provider)
        await anyio.wait_all_tasks_blocked()
        before = environ.reads
        is_loaded.set()
    assert (before, environ.reads) == (1, 2)


@pytest.mark.parametrize("has_waited", [False, True])
async def test_decides_again_only_after_a_wait(monkeypatch: pytest.MonkeyPatch, has_waited: bool) -> None:
    """A caller whose source has to wait decides once, and again only if it has waited for an import."""
    decided: list[bool] = []
    provider = anycreds.cached(fallback)
    plan_call = CacheState.plan_call

    def count(*arguments: Any, **options: Any) -> CallPlan:
        decided.append(True)
        return plan_call(*arguments, **options)

    class Runtime(type(provider._runtime)):  # type: ignore[misc]
        async def preload(self, modules: tuple[str, ...] = ()) -> bool:
            return has_waited

    provider._runtime = Runtime()
    monkeypatch.setattr(CacheState, "plan_call", count)
    assert (await provider()).access_key_id == "AKIDFALLBACK"
    assert len(decided) == 1 + has_waited


def test_threads_share_the_answer() -> None:
    """Threads that call a provider at the same time all get the credentials that are there at once."""
    provider = anycreds.cached(anycreds.from_env(environ=KEYS))
    found: list[Credentials] = []

    def call() -> None:
        found.append(anyio.run(provider))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [credentials.access_key_id for credentials in found] == ["AKIDENV"] * 8


async def test_error_has_no_frame_of_the_answer() -> None:
    """The error of half a key pair that was found at once has no frame that holds the variables."""
    provider = anycreds.cached(anycreds.from_env(environ={"AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret"}))

    async def fail() -> NoReturn:
        await provider()
        raise AssertionError

    with pytest.raises(InvalidConfigurationError, match="AWS_ACCESS_KEY_ID is not") as raised:
        await fail()
    names = [entry.name for entry in raised.traceback]
    assert "parse_credentials" not in names
    assert "_load_now" not in names
