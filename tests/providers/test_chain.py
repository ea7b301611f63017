"""Chains: who is asked, when the next one is, and what is said in the end."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

pytestmark = pytest.mark.anyio


async def nothing() -> anycreds.Credentials:
    """Have nothing."""
    raise anycreds.NotConfiguredError("I have nothing", hint="look elsewhere")


async def something() -> anycreds.Credentials:
    """Have a set without an end."""
    return make_credentials("SOME", None)


async def test_first_that_has_credentials_wins() -> None:
    """The providers are asked in order, one at a time, until one has a set; later ones are not asked."""
    later = FakeSource(VirtualClock())
    chain = anycreds.create_credential_chain(nothing, anycreds.from_env(environ={}), something, later)
    assert (await chain()).access_key_id == "AKIDSOME"
    assert later.calls == 0


async def test_nothing_anywhere_lists_every_reason() -> None:
    """When none has anything the error has a record for each, with its name, reason, time and own error."""

    async def slow() -> anycreds.Credentials:
        await anyio.sleep(0.5)
        raise anycreds.NotConfiguredError("nor have I")

    chain = anycreds.create_credential_chain(nothing, slow, anycreds.from_env(environ={}))
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await chain()
    first, second, third = caught.value.attempts
    assert (first.provider, first.reason) == ("function nothing", "I have nothing (look elsewhere)")
    assert "nor have I" in second.reason
    assert third.provider == "environment variables"
    assert "AWS_ACCESS_KEY_ID" in third.reason
    assert isinstance(first.error, anycreds.NotConfiguredError)
    assert "I have nothing" in str(caught.value)
    assert "nor have I" in str(caught.value)


@pytest.mark.parametrize(
    "failure",
    [
        anycreds.RetrievalError("the source is down"),
        anycreds.InvalidConfigurationError("half a key pair"),
        anycreds.ProviderTimeoutError("too slow"),
        ValueError("a bug"),
    ],
)
async def test_configured_but_broken_stops_the_chain(failure: Exception) -> None:
    """What is configured and fails is the error; the chain never slides on to another identity."""

    async def broken() -> anycreds.Credentials:
        raise failure

    later = FakeSource(VirtualClock())
    with pytest.raises(anycreds.CredentialsError) as caught:
        await anycreds.create_credential_chain(nothing, broken, later)()
    assert failure in (caught.value, caught.value.__cause__)
    assert later.calls == 0


async def test_chains_nest() -> None:
    """A chain that has nothing is itself "not configured", so the outer one goes on, and tells of all of them."""
    inner = anycreds.create_credential_chain(nothing, anycreds.from_env(environ={}))
    outer = anycreds.create_credential_chain(inner, something)
    assert (await outer()).access_key_id == "AKIDSOME"
    with pytest.raises(anycreds.NoCredentialsError, match="I have nothing"):
        await anycreds.create_credential_chain(inner, nothing)()


async def test_chain_remembers_nothing() -> None:
    """Each call asks again, from the top."""
    upstream = FakeSource(VirtualClock(), anycreds.NotConfiguredError("not yet"), life=None)
    chain = anycreds.create_credential_chain(upstream, something)
    assert (await chain()).access_key_id == "AKIDSOME"
    assert (await chain()).access_key_id == "AKID2"


def test_empty_chain_is_refused() -> None:
    """A chain of nobody is an error when it is made."""
    with pytest.raises(anycreds.InvalidConfigurationError, match="at least one"):
        anycreds.create_credential_chain()


async def test_hanging_function_ends_after_a_minute() -> None:
    """A function without a deadline of its own holds an uncached chain for 60 s, not for ever."""

    async def hang() -> anycreds.Credentials:
        await anyio.sleep_forever()
        raise AssertionError

    before = anyio.current_time()
    with pytest.raises(anycreds.ProviderTimeoutError, match="hang"):
        await anycreds.create_credential_chain(hang)()
    assert anyio.current_time() - before == 60.0


async def test_expire_after_gives_an_end_to_sets_that_have_none() -> None:
    """A set without an end gets one; the provider's own object and the chain stay as they are."""
    static = make_credentials("SOME", None)

    async def shared() -> anycreds.Credentials:
        return static

    chain = anycreds.create_credential_chain(shared)
    limited = chain.expire_after(timedelta(minutes=15))
    assert limited is not chain
    clock = VirtualClock()
    provider = anycreds.cached(limited, clock=clock)
    first = await provider()
    assert first.expiration is not None
    assert first.expiration.timestamp() == clock.time() + 900
    assert static.expiration is None
    assert (await chain()).expiration is None
    await anyio.sleep(1000)
    second = await provider()
    assert second.expiration is not None
    assert second.expiration > first.expiration


async def test_expire_after_leaves_an_end_alone() -> None:
    """A set that has an end keeps it, be it sooner or later."""
    clock = VirtualClock()
    chain = anycreds.create_credential_chain(FakeSource(clock, life=7200.0)).expire_after(600)
    got = await anycreds.cached(chain, clock=clock)()
    assert got.expiration is not None
    assert got.expiration.timestamp() == clock.time() + 7200


@pytest.mark.parametrize("lifetime", [0, 299.9, -600, float("nan"), float("inf"), "900", timedelta(minutes=4), True])
def test_expire_after_takes_five_minutes_or_more(lifetime: object) -> None:
    """Shorter lives, and what is no length of time, are refused."""
    with pytest.raises(anycreds.InvalidConfigurationError, match="expire_after"):
        anycreds.create_credential_chain(something).expire_after(lifetime)  # type: ignore[arg-type]


async def test_change_of_the_chains_winner_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """When another member of a chain answers at a refresh, a warning names both."""
    clock = VirtualClock()
    upstream = FakeSource(clock, 600.0, anycreds.NotConfiguredError("gone"))
    provider = anycreds.cached(anycreds.create_credential_chain(upstream, something), clock=clock)
    await provider()
    await anyio.sleep(700)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        assert (await provider()).access_key_id == "AKIDSOME"
    assert "function FakeSource" in caplog.text
    assert "function something" in caplog.text


async def test_who_comes_behind_and_asks_a_person_delays_no_refresh() -> None:
    """A set is refreshed ahead of its end, and kept fresh, though a provider behind its own would ask for a code."""

    async def mfa(serial: str) -> str:
        raise AssertionError("nobody is to be asked")

    clock = VirtualClock()
    upstream = FakeSource(clock)
    role = anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/R",
        source_credentials=something,
        serial_number="arn:aws:iam::123456789012:mfa/me",
        mfa_code_provider=mfa,
    )
    provider = anycreds.cached(anycreds.create_credential_chain(nothing, upstream, role), clock=clock)
    with pytest.raises(anycreds.InvalidConfigurationError, match="asks a person"):
        provider.keep_fresh()  # nobody knows yet who will answer
    await provider()
    await anyio.sleep(3500)
    await provider()
    await anyio.sleep(1)
    assert upstream.calls == 2
    async with provider.keep_fresh() as handle:
        assert handle.credentials.access_key_id == "AKID2"


@pytest.mark.parametrize("given", [None, 7, "AKID", anycreds.Credentials("AKID", "secret")])
def test_what_cannot_be_asked_is_refused(given: Any) -> None:
    """What is neither a provider nor a function is refused at once, by chain and cache."""
    for make in (anycreds.cached, anycreds.create_credential_chain):
        with pytest.raises(anycreds.InvalidConfigurationError, match="a provider is one of this library's"):
            make(given)
