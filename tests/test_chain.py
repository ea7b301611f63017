"""Chains: who is asked, when the next one is, and what is said in the end."""

from __future__ import annotations

import logging
from datetime import timedelta

import anyio
import pytest

import anycreds
from anycreds.testing import FakeAWS, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from upstream import Upstream, make_set

pytestmark = pytest.mark.anyio

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "shh"}


async def nothing() -> anycreds.Credentials:
    """Have nothing."""
    raise anycreds.NotConfiguredError("I have nothing", hint="look elsewhere")


async def something() -> anycreds.Credentials:
    """Have a set without an end."""
    return make_set("SOME", None)


async def test_first_that_has_credentials_wins() -> None:
    """The providers are asked in order, one at a time, until one has a set; later ones are not asked."""
    later = Upstream(VirtualClock())
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

    later = Upstream(VirtualClock())
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
    upstream = Upstream(VirtualClock(), anycreds.NotConfiguredError("not yet"), life=None)
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
    static = make_set("SOME", None)

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
    chain = anycreds.create_credential_chain(Upstream(clock, life=7200.0)).expire_after(600)
    got = await anycreds.cached(chain, clock=clock)()
    assert got.expiration is not None
    assert got.expiration.timestamp() == clock.time() + 7200


@pytest.mark.parametrize("lifetime", [0, 299.9, -600, float("nan"), float("inf"), "900", timedelta(minutes=4), True])
def test_expire_after_takes_five_minutes_or_more(lifetime: object) -> None:
    """Shorter lives, and what is no length of time, are refused."""
    with pytest.raises(anycreds.InvalidConfigurationError, match="expire_after"):
        anycreds.create_credential_chain(something).expire_after(lifetime)  # type: ignore[arg-type]


async def test_default_chain_asks_the_environment_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment win, are read when awaited, and are cached."""
    chain = anycreds.from_default_chain()
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    first = await chain()
    assert first.access_key_id == "AKIDENV"
    assert first.source == "environment variables"
    assert await chain() is first


async def test_default_chain_with_nothing_explains_itself() -> None:
    """With nothing configured the error lists the environment, the container and EC2 metadata, in this order."""
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await anycreds.from_default_chain()()
    names = [attempt.provider for attempt in caught.value.attempts]
    assert names == ["environment variables", "container credentials", "EC2 instance metadata"]
    assert "AWS_EC2_METADATA_DISABLED" in str(caught.value)


async def test_default_chain_stops_at_half_a_key_pair() -> None:
    """An access key without its secret is an error, not a reason to look elsewhere."""
    chain = anycreds.from_default_chain(environ={"AWS_ACCESS_KEY_ID": "AKIDENV"})
    with pytest.raises(anycreds.InvalidConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        await chain()


@pytest.mark.parametrize("by", ["argument", "variable"])
async def test_named_profile_is_never_replaced_by_what_lies_around(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a profile gets an error that says who named it, not the keys of the environment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    if by == "variable":
        monkeypatch.setenv("AWS_PROFILE", "work")
    chain = anycreds.from_default_chain("work" if by == "argument" else None)
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"'work'.*(argument|AWS_PROFILE)"):
        await chain()


async def test_change_of_the_chains_winner_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """When another member of a chain answers at a refresh, a warning names both."""
    clock = VirtualClock()
    upstream = Upstream(clock, 600.0, anycreds.NotConfiguredError("gone"))
    provider = anycreds.cached(anycreds.create_credential_chain(upstream, something), clock=clock)
    await provider()
    await anyio.sleep(700)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        assert (await provider()).access_key_id == "AKIDSOME"
    assert "function Upstream" in caplog.text
    assert "function something" in caplog.text


def test_metadata_sets_survive_an_outage_through_the_default_chain(
    fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Static stability holds for a set from EC2 metadata inside a chain, and for no other set in it."""
    import asyncio

    from anycreds.testing import Forever, ManualClock, Status

    for name, value in fake_aws.metadata_environ().items():
        monkeypatch.setenv(name, value)
    clock = ManualClock()
    fake_aws.clock = clock
    provider = anycreds.cached(anycreds.from_default_chain(), clock=clock, refresh_window=60)

    async def ask() -> anycreds.Credentials:
        return await provider()

    first = asyncio.run(ask())
    assert first.source == "EC2 instance metadata"
    fake_aws.script("role", Forever(Status(503)))
    clock.advance(7 * 3600)
    stale = asyncio.run(ask())
    assert stale.access_key_id == first.access_key_id
    assert stale.original_expiration == first.expiration
    fake_aws.restore()
    clock.advance(20 * 60)
    assert asyncio.run(ask()).original_expiration is None
