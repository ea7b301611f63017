"""The options of ``cached``: which values are valid, and what a cache around a cached provider keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, ClientContext, Credentials, RetrievalError
from anycreds.events import Event
from anycreds.testing import ManualClock
from support.event_loops import on_asyncio
from support.fake_source import FakeSource, make_credentials
from support.rows import each_row

pytestmark = pytest.mark.anyio

MINUTE = 60.0
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDGIVEN", "AWS_SECRET_ACCESS_KEY": "shh", "HOME": "/nowhere"}


def _ignore(event: Event) -> None:
    """Be an observer that does nothing."""


# Each option of ``cached``, with a value that is not the default.
OPTIONS: dict[str, Any] = {
    "refresh_window": timedelta(minutes=2),
    "recheck_after": 90.0,
    "stale_ok": True,
    "spread_first_refresh": True,
    "observer": _ignore,
    "clock": ManualClock(),
}
each_option = pytest.mark.parametrize("name", OPTIONS)


@pytest.fixture(autouse=True)
def other_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the process credentials of its own, which no provider here may return."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDPROCESS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "shh")


def test_cached_provider_without_options_is_returned_unchanged() -> None:
    """``cached`` without options returns a cached provider as it is."""
    for provider in (anycreds.cached(anycreds.from_env()), anycreds.from_default_chain()):
        assert anycreds.cached(provider) is provider


@on_asyncio
@each_option
async def test_environ_is_kept(name: str) -> None:
    """``cached`` around the default chain reads the chain's ``environ``, whichever option is given."""
    chain = anycreds.from_default_chain(environ=KEYS)
    wrapped = anycreds.cached(chain, **{name: OPTIONS[name]})
    assert wrapped is not chain
    assert (await wrapped()).access_key_id == "AKIDGIVEN"


@each_row("name, kept", [(name, kept) for name in OPTIONS for kept in OPTIONS if kept != "clock"])
def test_only_the_given_option_is_changed(name: str, kept: str) -> None:
    """``cached`` with one option keeps every other option of a cached provider."""
    inner = anycreds.cached(anycreds.from_env(), **{kept: OPTIONS[kept]})
    outer = anycreds.cached(inner, **{name: OPTIONS[name]})
    expected = anycreds.cached(anycreds.from_env(), **{kept: OPTIONS[kept], name: OPTIONS[name]})
    assert outer._state.options == expected._state.options


@on_asyncio
@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "clock"])
async def test_clock_is_kept(name: str) -> None:
    """``cached`` around a provider with a clock of its own reads that clock."""
    clock = ManualClock()
    upstream = FakeSource(clock, life=3600.0)
    provider = anycreds.cached(anycreds.cached(upstream, clock=clock), **{name: OPTIONS[name]})
    await provider()
    clock.advance(3601)
    assert (await provider()).access_key_id == "AKID2"


async def test_clock_is_changed_and_environ_is_kept() -> None:
    """``cached`` with ``clock`` makes attempts by that clock, in the ``environ`` of the inner provider."""
    clock = ManualClock()
    expiration = make_credentials("A", clock.time() + 3600).expiration
    assert expiration is not None
    chain = anycreds.from_default_chain(environ={**KEYS, "AWS_CREDENTIAL_EXPIRATION": expiration.isoformat()})
    provider = anycreds.cached(chain, clock=clock)
    assert (await provider()).access_key_id == "AKIDGIVEN"
    clock.advance(3601)
    with pytest.raises(RetrievalError, match="expired"):
        await provider()


async def test_stale_ok_of_the_inner_provider_is_kept() -> None:
    """A cache around a provider with ``stale_ok`` returns expired credentials during an outage too."""
    clock = ManualClock()
    upstream = FakeSource(clock, 3600.0, RetrievalError("down"))
    provider = anycreds.cached(anycreds.cached(upstream, clock=clock, stale_ok=True), recheck_after=7200)
    first = await provider()
    clock.advance(3601)
    assert (await provider()).original_expiration == first.expiration


def test_stale_ok_can_be_switched_off() -> None:
    """``stale_ok=False`` is a given option, unlike its default."""
    inner = anycreds.cached(anycreds.from_env(), stale_ok=True)
    assert not anycreds.cached(inner, stale_ok=False)._state.options.stale_ok


async def test_observer_of_the_inner_provider_is_kept() -> None:
    """Events of the new cache reach the observer of the provider that it was made from."""
    seen: list[str] = []
    inner = anycreds.cached(
        FakeSource(ManualClock(), life=None), observer=lambda event: seen.append(type(event).__name__)
    )
    await anycreds.cached(inner, stale_ok=True)()
    assert "Refreshed" in seen


@pytest.mark.parametrize(("window", "calls"), [(2 * MINUTE, 1), (30 * MINUTE, 2)])
async def test_refresh_window_of_the_inner_provider_is_kept(window: float, calls: int) -> None:
    """The new cache starts its refresh in the window of the provider that it was made from."""
    clock = ManualClock()
    upstream = FakeSource(clock, life=3600.0)
    provider = anycreds.cached(anycreds.cached(upstream, clock=clock, refresh_window=window), stale_ok=True)
    await provider()
    clock.advance(3600 - 14 * MINUTE)
    await provider()
    await anyio.wait_all_tasks_blocked()
    assert upstream.calls == calls


async def test_context_is_kept() -> None:
    """``cached`` around the provider of a client returns a provider for that client."""
    chain = anycreds.from_default_chain(environ=KEYS).for_client(ClientContext(profile="work"))
    provider = anycreds.cached(chain, stale_ok=True)
    assert provider._context == ClientContext(profile="work")
    with pytest.raises(anycreds.ProfileNotFoundError, match="'work'"):
        await provider()


async def test_caches_are_separate() -> None:
    """The new provider has a cache of its own: what one caches or drops, the other does not."""
    upstream = FakeSource(ManualClock(), life=None)
    inner = anycreds.cached(upstream)
    outer = anycreds.cached(inner, stale_ok=True)
    assert await inner() != await outer()
    assert upstream.calls == 2


async def test_runtime_of_an_uncached_provider_is_kept() -> None:
    """A cache reads the environment that its source was built with, through a chain and with another clock."""
    chain = anycreds.create_credential_chain(anycreds.from_env(environ=KEYS))
    for make in (anycreds.cached, _with_a_clock):
        assert (await make(chain)()).access_key_id == "AKIDGIVEN"


def _with_a_clock(provider: Callable[[], Any]) -> CachedProvider:
    return anycreds.cached(provider, clock=ManualClock())


@pytest.mark.parametrize(
    "options",
    [{"refresh_window": -1}, {"recheck_after": "soon"}, {"refresh_window": timedelta(-1)}],
    ids=["negative", "text", "negative-timedelta"],
)
def test_invalid_option_raises_an_error_that_names_it(options: dict[str, Any]) -> None:
    """``cached`` raises ``InvalidConfigurationError`` at once, for a function and for a cached provider."""
    for provider in (anycreds.from_env(), anycreds.from_default_chain()):
        with pytest.raises(anycreds.InvalidConfigurationError, match=next(iter(options))):
            anycreds.cached(provider, **options)


@pytest.mark.fault("C19")
async def test_function_that_returns_none_raises_an_error_that_names_it() -> None:
    """A function without a return statement raises ``MalformedResponseError`` with its name; None is never returned."""

    async def forgetful() -> Credentials:
        return None  # type: ignore[return-value]

    with pytest.raises(anycreds.MalformedResponseError, match=r"forgetful.*None"):
        await anycreds.cached(forgetful)()
