"""Chains: the order of the calls, when a chain continues, and the error of a chain without credentials."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import anyio
import pytest

import anycreds
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.factory_fixtures import UniformIo, failure
from support.fake_io import FakeIo
from support.fake_source import FakeSource, make_credentials
from support.rows import each_row

pytestmark = pytest.mark.anyio


async def nothing() -> anycreds.Credentials:
    """Have nothing configured."""
    raise anycreds.NotConfiguredError("nothing is configured", hint="configure it")


async def something() -> anycreds.Credentials:
    """Return credentials without an expiration."""
    return make_credentials("SOME", None)


async def test_first_provider_with_credentials() -> None:
    """The providers are called in order, until one returns credentials; later ones are not called."""
    later = FakeSource(VirtualClock())
    chain = anycreds.create_credential_chain(nothing, anycreds.from_env(environ={}), something, later)
    assert (await chain()).access_key_id == "AKIDSOME"
    assert later.calls == 0


async def test_no_credentials_found() -> None:
    """If no provider has anything configured, the error has the name, reason and error of each."""

    async def slow() -> anycreds.Credentials:
        await anyio.sleep(0.5)
        raise anycreds.NotConfiguredError("this neither")

    chain = anycreds.create_credential_chain(nothing, slow, anycreds.from_env(environ={}))
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await chain()
    first, second, third = caught.value.attempts
    assert (first.provider, first.reason) == ("function nothing", "nothing is configured (configure it)")
    assert "this neither" in second.reason
    assert third.provider == "environment variables"
    assert "AWS_ACCESS_KEY_ID" in third.reason
    assert isinstance(first.error, anycreds.NotConfiguredError)


def test_text_of_an_error_without_credentials(caplog: pytest.LogCaptureFixture) -> None:
    """The error lists each provider with its reason and duration, inner chains too, and the log has each reason."""
    io = FakeIo()

    async def slow() -> anycreds.Credentials:
        io.advance(0.5)
        raise anycreds.NotConfiguredError("this neither")

    caplog.set_level(logging.DEBUG, logger="anycreds.chain")
    slow_name = f"function {slow.__qualname__}"
    error = failure(anycreds.create_credential_chain(slow, anycreds.create_credential_chain(nothing)), io)
    assert str(error) == (
        "credential chain: no credentials found: none of 2 providers has credentials configured "
        "(configure one of the providers listed below)\n"
        f"  - {slow_name}: this neither [500 ms]\n"
        "  - credential chain: credential chain: no credentials found: none of 1 providers has credentials configured "
        "(configure one of the providers listed below)\n"
        "      - function nothing: nothing is configured (configure it) [0 ms] [0 ms]"
    )
    assert ("anycreds.chain", logging.DEBUG, f"{slow_name}: this neither") in caplog.record_tuples


async def test_chain_passes_the_client_on() -> None:
    """A function in a chain is called with the context of the client that needs the credentials."""
    contexts: list[anycreds.ClientContext] = []

    async def regional(context: anycreds.ClientContext) -> anycreds.Credentials:
        contexts.append(context)
        return make_credentials("SOME", None)

    paris = anycreds.ClientContext(region="eu-west-3")
    await anycreds.create_credential_chain(nothing, regional).for_client(paris)()
    assert contexts == [paris]


def test_chain_lets_instance_credentials_become_stale_only() -> None:
    """During an outage a chain extends the expiration of credentials that came from the instance, and of no others."""
    chain = anycreds.create_credential_chain(nothing, anycreds.from_instance_metadata())
    failure(chain, UniformIo())  # the provider is built at its first call
    found = make_credentials("SOME", None)
    assert chain._allows_stale(found.replace(source="EC2 instance metadata"))
    assert not chain._allows_stale(found.replace(source="function something"))


@pytest.mark.parametrize(
    "failure",
    [
        anycreds.RetrievalError("the source is down"),
        anycreds.InvalidConfigurationError("half a key pair"),
        anycreds.ProviderTimeoutError("too slow"),
        ValueError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_failure_stops_the_chain(failure: Exception) -> None:
    """A provider that is configured and fails stops the chain, which must not return another identity."""

    async def broken() -> anycreds.Credentials:
        raise failure

    later = FakeSource(VirtualClock())
    with pytest.raises(anycreds.CredentialsError) as caught:
        await anycreds.create_credential_chain(nothing, broken, later)()
    assert failure in (caught.value, caught.value.__cause__)
    assert later.calls == 0


async def test_nested_chains() -> None:
    """A chain continues after an inner chain without credentials, and its error has the reasons of both."""
    inner = anycreds.create_credential_chain(nothing, anycreds.from_env(environ={}))
    outer = anycreds.create_credential_chain(inner, something)
    assert (await outer()).access_key_id == "AKIDSOME"
    with pytest.raises(anycreds.NoCredentialsError, match="nothing is configured"):
        await anycreds.create_credential_chain(inner, nothing)()


async def test_chain_caches_nothing() -> None:
    """Each call starts with the first provider."""
    upstream = FakeSource(VirtualClock(), anycreds.NotConfiguredError("not yet"), life=None)
    chain = anycreds.create_credential_chain(upstream, something)
    assert (await chain()).access_key_id == "AKIDSOME"
    assert (await chain()).access_key_id == "AKID2"


def test_empty_chain() -> None:
    """A chain without providers is an invalid configuration."""
    with pytest.raises(anycreds.InvalidConfigurationError, match="at least one"):
        anycreds.create_credential_chain()


async def test_function_that_hangs() -> None:
    """A function that hangs is cancelled after 60 s, the timeout of an attempt."""

    async def hang() -> anycreds.Credentials:
        await anyio.sleep_forever()
        raise AssertionError

    before = anyio.current_time()
    with pytest.raises(anycreds.ProviderTimeoutError, match="hang"):
        await anycreds.create_credential_chain(hang)()
    assert anyio.current_time() - before == 60.0


async def test_expire_after_sets_an_expiration() -> None:
    """Credentials without an expiration get one; the original chain and credentials do not change."""
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


async def test_expire_after_keeps_an_expiration() -> None:
    """Credentials with an expiration keep it."""
    clock = VirtualClock()
    chain = anycreds.create_credential_chain(FakeSource(clock, life=7200.0)).expire_after(600)
    got = await anycreds.cached(chain, clock=clock)()
    assert got.expiration is not None
    assert got.expiration.timestamp() == clock.time() + 7200


@each_row("lifetime", [0, 299.9, -600, float("nan"), float("inf"), "900", timedelta(minutes=4), True])
def test_invalid_expire_after(lifetime: object) -> None:
    """A lifetime below 5 minutes, or another value than a duration, is an invalid configuration."""
    chain = anycreds.create_credential_chain(something)
    chain.expire_after(300)
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"^expire_after is "):
        chain.expire_after(lifetime)  # type: ignore[arg-type]


@pytest.mark.parametrize("lifetime", [900_000, 604_800.5, timedelta(days=7, seconds=1)], ids=repr)
def test_milliseconds_in_expire_after(lifetime: Any) -> None:
    """A lifetime above 7 days is an invalid configuration, and the hint says that seconds are expected."""
    chain = anycreds.create_credential_chain(something)
    chain.expire_after(timedelta(days=7))
    with pytest.raises(anycreds.InvalidConfigurationError, match="at most 604800 s") as caught:
        chain.expire_after(lifetime)
    assert caught.value.hint == "give a number of seconds, not of milliseconds, or a timedelta"


async def test_change_of_the_source_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """If another member of a chain returns the credentials at a refresh, a warning names both."""
    clock = VirtualClock()
    upstream = FakeSource(clock, 600.0, anycreds.NotConfiguredError("gone"))
    provider = anycreds.cached(anycreds.create_credential_chain(upstream, something), clock=clock)
    await provider()
    await anyio.sleep(700)
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        assert (await provider()).access_key_id == "AKIDSOME"
    assert "function FakeSource" in caplog.text
    assert "function something" in caplog.text


async def test_later_provider_that_prompts_the_user() -> None:
    """Credentials are refreshed ahead of time although a later provider of the chain would prompt the user."""

    async def mfa(serial: str) -> str:
        raise AssertionError("the user must not be prompted")

    clock = VirtualClock()
    upstream = FakeSource(clock)
    role = anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/R",
        source_credentials=something,
        serial_number="arn:aws:iam::123456789012:mfa/me",
        mfa_code_provider=mfa,
    )
    provider = anycreds.cached(anycreds.create_credential_chain(nothing, upstream, role), clock=clock)
    with pytest.raises(anycreds.InvalidConfigurationError, match="may prompt the user"):
        provider.keep_fresh()  # it is not known yet which provider has credentials
    await provider()
    await anyio.sleep(3500)
    await provider()
    await anyio.sleep(1)
    assert upstream.calls == 2
    async with provider.keep_fresh() as handle:
        assert handle.credentials.access_key_id == "AKID2"


async def test_default_chain_is_rechecked() -> None:
    """With ``recheck_after`` the default chain notices that access keys without an expiration were replaced."""
    environ = {"AWS_ACCESS_KEY_ID": "AKIDOLD", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    chain = anycreds.from_default_chain(environ=environ, recheck_after=timedelta(minutes=5))
    provider = anycreds.cached(chain, clock=VirtualClock())
    await provider()
    environ["AWS_ACCESS_KEY_ID"] = "AKIDNEW"
    await anyio.sleep(299)
    assert (await provider()).access_key_id == "AKIDOLD"
    await anyio.sleep(2)
    await provider()  # starts a refresh in the background
    await anyio.sleep(1)
    assert (await provider()).access_key_id == "AKIDNEW"


@pytest.mark.parametrize("given", [None, 7, "AKID", anycreds.Credentials("AKID", "secret")], ids=repr)
def test_value_that_is_not_a_provider(given: Any) -> None:
    """A value that is neither a provider nor a function is an invalid configuration of a chain and of a cache."""
    for make in (anycreds.cached, anycreds.create_credential_chain):
        with pytest.raises(anycreds.InvalidConfigurationError, match="cannot be used as a provider"):
            make(given)
