"""Providers in chains, under roles, in caches and for clients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, ClientContext, Credentials, InvalidConfigurationError, Provider
from anycreds._core.provider import active_calls
from anycreds.testing import FakeAWS, ManualClock
from support.factory_fixtures import CONFIG, MFA, ROLE, UniformIo, failure, fetch, mfa_code, requested
from support.rows import each_row

KEYS = Credentials("AKIDSOURCE", "canarySECRETsource")


async def function() -> Credentials:
    """Return access keys."""
    return KEYS


def test_chain_needs_at_least_one_provider() -> None:
    """``create_credential_chain`` needs at least one provider."""
    with pytest.raises(InvalidConfigurationError, match="at least one"):
        anycreds.create_credential_chain()


@each_row("option", ["refresh_window", "recheck_after"])
@each_row("value", [-1, float("nan"), "1", True])
def test_invalid_duration_of_a_cache(option: str, value: Any) -> None:
    """``cached`` and ``from_default_chain`` name the option that is not a duration."""
    for make in (partial(anycreds.cached, function), anycreds.from_default_chain):
        with pytest.raises(InvalidConfigurationError, match=option):
            make(**{option: value})


def test_cache_options_of_the_default_chain() -> None:
    """``from_default_chain`` passes the options of ``cached`` on to its cache."""
    given: dict[str, Any] = {"stale_ok": True, "spread_first_refresh": True, "observer": print}
    options: dict[str, Any] = {"refresh_window": 60, "recheck_after": timedelta(minutes=2)}
    expected = {"refresh_window": 60.0, "recheck_after": 120.0, **given}
    assert anycreds.from_default_chain(**options, **given)._state.options._asdict() == expected


@each_row(
    "options",
    [{"refresh_window": 60}, {"recheck_after": 60}, {"stale_ok": True}, {"observer": print}, {"clock": ManualClock()}],
)
def test_cached_is_idempotent_without_options(options: dict[str, Any]) -> None:
    """``cached`` returns a cached provider unchanged without options, and a new one with any option."""
    provider = anycreds.cached(function)
    assert anycreds.cached(provider) is provider
    assert anycreds.cached(provider, **options) is not provider


def in_a_chain(provider: Provider) -> Provider:
    """Return a chain of one provider."""
    return anycreds.create_credential_chain(provider)


def test_context_reaches_the_provider_in_a_chain() -> None:
    """A chain passes the context of the client to its providers."""
    context = ClientContext(profile="keys")
    assert fetch(in_a_chain(anycreds.from_ini()), UniformIo(), context).access_key_id == "AKIDFILE"


@pytest.mark.anyio
async def test_context_reaches_a_function() -> None:
    """A function that takes the context gets that of the client, and its credentials are cached per client."""
    calls = []

    async def by_profile(context: ClientContext) -> Credentials:
        calls.append(context)
        return Credentials(f"AKID{context.profile}", "canary")

    provider = anycreds.cached(in_a_chain(anycreds.cached(by_profile)))
    for profile in ("a", "b", "a"):
        assert (await provider.for_client(ClientContext(profile=profile))()).access_key_id == f"AKID{profile}"
    assert (await provider()).access_key_id == "AKIDNone"
    assert [context.profile for context in calls] == ["a", "b", None]


def test_context_reaches_the_source_of_a_role() -> None:
    """A role passes the context of the client to its source, which signs the request."""
    role = anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_ini())
    io = requested(role.for_client(ClientContext(profile="keys", region="eu-north-1")))
    assert "Credential=AKIDFILE/" in io.requests[0].headers["authorization"]
    assert io.hosts == ["sts.eu-north-1.amazonaws.com"]


@pytest.mark.parametrize("compose", [lambda provider: provider, in_a_chain], ids=["alone", "in a chain"])
def test_last_client_precedes_earlier_clients(compose: Callable[[Provider], Provider]) -> None:
    """A provider for a client ignores an earlier client, and the context of the chain that it is in."""
    keys, role = ClientContext(profile="keys"), ClientContext(profile="role")
    provider = compose(anycreds.from_ini().for_client(role).for_client(keys))
    assert fetch(provider, UniformIo(), role).access_key_id == "AKIDFILE"


def test_provider_for_a_client_keeps_its_properties() -> None:
    """A provider for a client has the name, prompts and static stability of the original."""
    context = ClientContext(profile="keys")
    role = anycreds.from_temporary_credentials(
        ROLE, source_credentials=KEYS, serial_number=MFA, mfa_code_provider=mfa_code
    )
    assert role.for_client(context)._may_prompt_user
    assert role.for_client(context).name == role.name
    instance = anycreds.from_instance_metadata()
    assert not instance.for_client(context)._may_prompt_user
    failure(instance)  # builds the provider
    assert instance.for_client(context)._allows_stale(KEYS.replace(source=instance.name))
    assert not instance.for_client(context)._allows_stale(KEYS)


@pytest.mark.anyio
async def test_cache_with_new_options_keeps_the_client(isolated: Path) -> None:
    """``cached`` of a cached provider for a client, with options, is for the same client."""
    (isolated / ".aws").mkdir()
    (isolated / ".aws" / "config").write_text(CONFIG)
    provider = anycreds.cached(anycreds.from_ini()).for_client(ClientContext(profile="keys"))
    assert (await anycreds.cached(provider, stale_ok=True)()).access_key_id == "AKIDFILE"


@pytest.mark.parametrize("prompts", [True, False], ids=["with MFA", "without MFA"])
def test_user_is_prompted_only_after_expiration(fake_aws: FakeAWS, prompts: bool) -> None:
    """Credentials that needed a prompt are cached until they expire. Others are refreshed before."""
    fake_aws.clock = clock = ManualClock()
    codes: list[str] = []

    async def code(serial: str) -> str:
        codes.append(serial)
        return f"{len(codes):06d}"

    device: dict[str, Any] = {"serial_number": MFA, "mfa_code_provider": code} if prompts else {}
    role = anycreds.from_temporary_credentials(
        ROLE,
        source_credentials=Credentials(*fake_aws.key_environ().values()),
        duration=900,
        client_config=ClientConfig(region="us-east-1", endpoint_url=fake_aws.service_url),
        **device,
    )
    provider = anycreds.cached(role, clock=clock)
    first = anyio.run(provider)
    clock.advance(890)  # seconds: the mandatory refresh window has begun
    assert (anyio.run(provider) is first) is prompts
    assert len(codes) == prompts
    clock.advance(11)
    assert anyio.run(provider) is not first
    assert len(codes) == 2 * prompts


@pytest.mark.anyio
async def test_task_of_a_call_may_outlive_the_call() -> None:
    """A task that a function has started may await the provider after the call, which is not re-entrant then."""
    call_ended = anyio.Event()
    received: list[str] = []

    async def fetch_later() -> None:
        await call_ended.wait()
        received.append((await chain()).access_key_id)

    async def start_task() -> Credentials:
        if not call_ended.is_set():
            tasks.start_soon(fetch_later)
        return KEYS

    chain = anycreds.create_credential_chain(start_task)
    async with anyio.create_task_group() as tasks:
        await chain()
        assert active_calls.get() == ()
        call_ended.set()
    assert received == ["AKIDSOURCE"]
