"""``RoleCache``: one cached provider per key, which of them is evicted, and what ``provider_for`` may do."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError, InvalidConfigurationError, RetrievalError, RoleCache
from anycreds._factories import role_entries
from anycreds.events import Event, Refreshed
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource
from support.rows import each_row

pytestmark = pytest.mark.anyio

HOUR = 3600.0


class Upstream:
    """The functions that ``provider_for`` returns, one per key, each of which counts its calls."""

    def __init__(self, clock: VirtualClock | None = None, **options: Any) -> None:
        self.clock = clock or VirtualClock()
        self.sources: dict[object, FakeSource] = {}
        self.asked: list[object] = []
        self._options = options

    def __call__(self, key: object) -> FakeSource:
        self.asked.append(key)
        return self.sources.setdefault(key, FakeSource(self.clock, **self._options))

    def roles(self, **options: Any) -> RoleCache[Any]:
        return RoleCache(self, clock=self.clock, **options)

    def calls(self, key: object) -> int:
        return self.sources[key].calls


class SpreadClock(VirtualClock):
    """A clock whose random numbers are spread evenly."""

    def jitter(self) -> float:
        self.chance = (self.chance + 0.618) % 1.0  # the golden ratio
        return self.chance


async def keys() -> Credentials:
    """Return access keys."""
    return Credentials("AKID", "canary")


async def test_each_key_has_a_cache_of_its_own() -> None:
    """Calls for one key get the same credentials from one call of its source; other keys have other ones."""
    upstream = Upstream()
    roles = upstream.roles()
    red, green = await roles("red"), await roles(("green", 1))
    assert (await roles("red")) is red
    assert green is not red
    assert upstream.asked == ["red", ("green", 1)]
    assert (upstream.calls("red"), upstream.calls(("green", 1))) == (1, 1)


async def test_concurrent_callers_of_a_key_make_one_call() -> None:
    """A hundred callers of three new keys cause one call for each key."""
    upstream = Upstream(latency=1.0)
    roles = upstream.roles()
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(roles, number % 3)
    assert [upstream.calls(key) for key in range(3)] == [1, 1, 1]
    assert sorted(upstream.asked) == [0, 1, 2]  # type: ignore[type-var]


async def test_provider_is_the_cached_one() -> None:
    """``provider`` returns one object per key: the cached provider, with the cache that a call uses."""
    upstream = Upstream()
    roles = upstream.roles()
    provider = roles.provider("red")
    credentials = await roles("red")
    assert roles.provider("red") is provider
    assert await provider() is credentials
    assert provider.invalidate(credentials)
    async with provider.keep_fresh() as fresh:
        assert fresh.credentials is await roles("red")
    with pytest.raises(anycreds.LifetimeTooShortError):
        await provider(min_ttl=2 * HOUR)


async def test_the_entry_that_was_not_used_for_longest_is_evicted() -> None:
    """A new key beyond the limit takes the place of the one whose last use is the longest ago."""
    roles = (upstream := Upstream()).roles(max_size=3)
    for key in ("a", "b", "c", "a", "d", "a", "c", "e"):  # "d" evicts "b", and "e" evicts "d"
        await roles(key)
    assert roles.statistics[:3] == (3, 5, 2)
    for key in ("a", "c", "e"):
        await roles(key)
    assert upstream.asked == ["a", "b", "c", "d", "e"]


async def test_eviction_when_all_entries_are_in_use() -> None:
    """If all entries were used since the last eviction, the oldest one makes room."""
    roles = (upstream := Upstream()).roles(max_size=2)
    for key in ("a", "b", "a", "b", "c", "b", "a"):
        await roles(key)
    assert upstream.asked == ["a", "b", "c", "a"]


async def test_few_entries_get_a_second_chance_for_one_new_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries are in use, a new one looks at few of them: the event loop is not blocked."""
    monkeypatch.setattr(role_entries, "MAX_SECOND_CHANCES", 2)
    roles = (upstream := Upstream()).roles(max_size=4)
    for key in ("a", "b", "c", "d", "a", "b", "c", "d", "e"):  # "a" and "b" get one, so "c" makes room
        await roles(key)
    for key in ("a", "b", "d", "c"):
        await roles(key)
    assert upstream.asked == ["a", "b", "c", "d", "e", "c"]


async def test_a_refresh_that_is_awaited_outlives_the_eviction() -> None:
    """A caller whose entry is evicted while it waits gets its credentials, and other callers join the same refresh."""
    upstream = Upstream(latency=1.0)
    roles = upstream.roles(max_size=1)
    found: list[Credentials] = []

    async def call(key: str) -> None:
        found.append(await roles(key))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, "red")
        await anyio.sleep(0.5)
        tasks.start_soon(call, "green")
        await anyio.sleep(0.1)
        assert roles.statistics.evicted == 1
        tasks.start_soon(call, "red")
    assert found[0] is found[1]
    assert (upstream.calls("red"), upstream.asked) == (1, ["red", "green"])


async def test_a_refresh_whose_callers_have_left_outlives_the_eviction() -> None:
    """A refresh goes on when its only caller has left and its entry is evicted, and a later caller joins it."""
    upstream = Upstream(latency=5.0)
    roles = upstream.roles(max_size=1)
    with anyio.move_on_after(1):
        await roles("red")
    roles.provider("green")
    gc.collect()
    await roles("red")
    assert anyio.current_time() == pytest.approx(5)
    assert (upstream.calls("red"), upstream.asked) == (1, ["red", "green"])


async def test_a_provider_in_use_is_found_after_its_eviction() -> None:
    """The provider that an adapter or a ``keep_fresh`` block has is the one of its key; else it is created again."""
    roles = (upstream := Upstream()).roles(max_size=1)
    held = roles.provider("red")
    async with roles.provider("blue").keep_fresh():
        roles.provider("green")
        assert roles.provider("red") is held
        await roles("blue")
    del held
    await roles("green")
    await roles("red")
    assert upstream.asked == ["red", "blue", "green", "green", "red"]
    assert upstream.calls("blue") == 1


async def test_an_evicted_provider_that_nothing_uses_is_freed() -> None:
    """An evicted provider is freed at once, without the garbage collector."""
    roles = Upstream().roles(max_size=1)
    await roles("red")
    provider = weakref.ref(roles.provider("red"))
    gc.disable()
    try:
        await roles("green")
        assert provider() is None
    finally:
        gc.enable()


async def test_discard_asks_for_a_new_provider() -> None:
    """After ``discard``, the next call asks ``provider_for`` again, also while something has the old provider."""
    roles = (upstream := Upstream()).roles(max_size=2)
    old = roles.provider("red")
    assert roles.discard("red")
    assert not roles.discard("red")
    assert roles.provider("red") is not old
    roles.provider("green"), roles.provider("blue")  # evicts "red"
    assert old is not (evicted := roles.provider("red"))
    roles.provider("green"), roles.provider("blue")
    assert not roles.discard("red")
    assert roles.provider("red") is not evicted
    assert upstream.asked[:2] == ["red", "red"]


async def test_error_of_the_source_concerns_one_key() -> None:
    """A role whose source fails does not affect other keys, and is asked for once a second at most."""
    upstream = Upstream()
    upstream("bad").outcomes.extend([RetrievalError("denied")] * 9)
    roles = upstream.roles()
    for _ in range(3):
        with pytest.raises(RetrievalError, match="denied"):
            await roles("bad")
    await roles("good")
    assert upstream.calls("bad") == 1


class BrokenError(Exception):
    """An error of the program."""


async def test_errors_of_provider_for() -> None:
    """A ``CredentialsError`` passes, another exception is the cause of one, and the next call asks again."""
    raised: list[Exception] = [anycreds.NotConfiguredError("no such tenant"), BrokenError("the text may be secret")]

    def provider_for(key: str) -> Callable[..., Any]:
        if raised:
            raise raised.pop(0)
        return keys

    roles: RoleCache[Any] = RoleCache(provider_for)
    with pytest.raises(anycreds.NotConfiguredError, match="no such tenant"):
        await roles("red")
    with pytest.raises(RetrievalError, match="role cache: provider_for raised BrokenError") as caught:
        await roles("red")
    assert isinstance(caught.value.__cause__, BrokenError)
    assert "secret" not in str(caught.value)
    assert (await roles("red")).access_key_id == "AKID"
    assert roles.statistics.created == 1


@each_row("given", [None, "arn:aws:iam::123456789012:role/Demo", Credentials("AKID", "canary"), 7])
def test_provider_for_that_returns_something_else(given: Any) -> None:
    """What ``provider_for`` returns in place of a provider is named by its type."""
    roles: RoleCache[Any] = RoleCache(lambda _: given)
    with pytest.raises(InvalidConfigurationError, match=f"provider_for returned {type(given).__name__}; expected"):
        roles.provider("red")
    assert roles.statistics.size == 0


async def test_provider_for_that_is_async() -> None:
    """An async ``provider_for`` is an error that says what to do, without a warning about its coroutine."""

    async def provider_for(key: str) -> Any:
        return keys

    with pytest.raises(InvalidConfigurationError, match=r"returned coroutine; .*\(define provider_for with def"):
        await RoleCache(provider_for)("red")  # type: ignore[arg-type]


@each_row("key", [[], {}, ([],)])
def test_key_that_is_not_hashable(key: Any) -> None:
    """A key that is not hashable is an error that names its type, by a call too."""
    roles: RoleCache[Any] = RoleCache(lambda _: keys)
    expected = f"a key is {type(key).__name__}, which is not hashable"
    with pytest.raises(InvalidConfigurationError, match=expected):
        roles.provider(key)
    with pytest.raises(InvalidConfigurationError, match=expected):
        asyncio.run(roles(key))


@each_row("option", ["max_size", "max_concurrency"])
@each_row("value", [0, -1, True, 1.5, "9", None, float("inf")])
def test_invalid_limit(option: str, value: Any) -> None:
    """A limit that is not a whole number of at least 1 is an error that names the option."""
    with pytest.raises(InvalidConfigurationError, match=f"{option} is not a whole number of at least 1"):
        RoleCache(lambda _: keys, **{option: value})


def test_provider_for_must_be_a_function() -> None:
    """A ``provider_for`` that cannot be called is an error at once."""
    with pytest.raises(InvalidConfigurationError, match="provider_for is dict"):
        RoleCache({})  # type: ignore[arg-type]


async def test_cached_provider_keeps_its_options() -> None:
    """A provider that is cached already gets the cache of its key, with its own options, but spread."""
    upstream = Upstream(SpreadClock())
    events: list[Event] = []
    given = anycreds.cached(upstream("red"), refresh_window=60.0, observer=events.append, clock=upstream.clock)
    roles: RoleCache[Any] = RoleCache(lambda _: given)
    await roles("red")
    assert roles.provider("red") is not given
    assert [type(event).__name__ for event in events] == ["AttemptStarted", "Refreshed", "Waited"]
    assert roles.provider("red")._state.options == given._state.options._replace(spread_first_refresh=True)


async def test_observer_gets_the_key() -> None:
    """The observer is called with the key of each event."""
    upstream = Upstream()
    events: list[tuple[object, Event]] = []
    roles = upstream.roles(observer=lambda key, event: events.append((key, event)))
    await roles("red")
    await roles(("green", 1))
    assert [key for key, event in events if isinstance(event, Refreshed)] == ["red", ("green", 1)]


async def test_refreshes_of_keys_that_were_created_together_are_spread() -> None:
    """Roles of one hour that are created together are refreshed over half an hour, never many at once."""
    upstream = Upstream(SpreadClock())
    roles = upstream.roles()
    calls, number = [], 200
    for _ in range(26):  # of the 30 intervals of two minutes before the first role is refreshed twice
        before = sum(source.calls for source in upstream.sources.values())
        for key in range(number):
            await roles(key)
        await anyio.sleep(120)
        calls.append(sum(source.calls for source in upstream.sources.values()) - before)
    first, *later = calls
    assert first == number
    assert sum(later[:6]) == 0  # a quarter of the hour
    assert sum(later) == number
    assert max(later) <= 0.1 * number


def test_threads_that_create_a_key_get_one_provider() -> None:
    """Threads that ask for the same new keys at the same time all get the same providers."""
    start = threading.Barrier(8)
    found: list[list[int]] = []

    def provider_for(key: int) -> Callable[..., Any]:
        return partial(keys)

    roles: RoleCache[Any] = RoleCache(provider_for)

    def ask() -> None:
        start.wait()
        found.append([id(roles.provider(key)) for key in range(200)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8
    assert roles.statistics.created == 200


def test_threads_that_evict_each_other() -> None:
    """Threads that use more keys than the limit, each in a loop of its own, get what belongs to their keys."""
    errors: list[str] = []

    def source_of(key: int) -> Callable[..., Any]:
        async def source() -> Credentials:
            return Credentials(f"AKID{key}", "canary")

        return source

    roles: RoleCache[Any] = RoleCache(source_of, max_size=5)

    async def use(offset: int) -> None:
        for number in range(100):
            key = (number * offset) % 11
            if (await roles(key)).access_key_id != f"AKID{key}":
                errors.append(str(key))

    threads = [threading.Thread(target=asyncio.run, args=(use(offset),)) for offset in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert roles.statistics.size == 5


def test_no_secret_and_no_key_in_the_repr() -> None:
    """The repr has neither keys nor credentials: a key may be a secret."""
    roles: RoleCache[Any] = RoleCache(lambda _: keys, max_size=7)
    roles.provider("canary-key")
    assert repr(roles) == "<anycreds role cache: 1 of at most 7 keys>"
    assert "canary" not in repr(roles.statistics)


async def test_key_whose_methods_use_the_cache() -> None:
    """The methods ``__hash__`` and ``__eq__`` of a key may use the cache themselves."""
    roles: RoleCache[Any] = RoleCache(lambda _: keys, max_size=2)

    class Key:
        def __hash__(self) -> int:
            roles.provider("other")
            return 1

        def __eq__(self, other: object) -> bool:
            roles.provider("other")
            return isinstance(other, Key)

    assert roles.provider(Key()) is roles.provider(Key())


async def test_provider_for_may_use_the_cache() -> None:
    """``provider_for`` may ask the same cache for the source of a role; an endless loop of them is an error."""
    upstream = Upstream()

    def provider_for(key: int) -> Callable[..., Any]:
        if key == 0:
            return upstream(key)
        hub = roles.provider(key - 1 if key < 100 else key)

        async def source() -> Credentials:
            return (await hub()).replace(account_id=str(key))

        return source

    roles: RoleCache[Any] = RoleCache(provider_for, clock=upstream.clock)
    assert (await roles(5)).account_id == "5"
    assert (roles.statistics.created, upstream.calls(0)) == (6, 1)
    with pytest.raises(CredentialsError, match="provider_for raised RecursionError"):
        await roles(100)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_forked_process_keeps_entries_and_adds_others() -> None:
    """A child that is forked while another thread has the lock of the cache finds its entries and adds others."""
    entered, done = threading.Event(), threading.Event()

    class SlowKey:
        def __hash__(self) -> int:
            if threading.current_thread() is thread:
                entered.set()
                done.wait(10)
            return 1

    roles: RoleCache[Any] = RoleCache(lambda _: keys)
    provider = roles.provider("red")
    key = SlowKey()
    thread = threading.Thread(target=roles.discard, args=(key,))
    thread.start()
    assert entered.wait(10)
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner has its own handler
        signal.alarm(10)  # ends the child if it waits for the lock
        is_right = roles.provider("red") is provider and roles.provider("green") is not provider
        os._exit(0 if is_right and roles.statistics.size == 2 else 1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
