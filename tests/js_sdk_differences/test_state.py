"""js-sdk 14.2: where JavaScript loses what it knows, or is stuck with it, ours keeps it where it belongs, and dated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import (
    ClientConfig,
    Credentials,
    InvalidConfigurationError,
    MetadataUnreachableError,
    NotConfiguredError,
    ProfileNotFoundError,
    RetrievalError,
)
from anycreds.testing import CANARY, Body, FakeAWS, Forever, ManualClock, MemoryNetwork, Status, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import KEYS, ROLE, Machine, Routes, error_of, key_lines, keys
from support.raw_http_server import httpx_loaded  # noqa: F401

pytestmark = pytest.mark.anyio

HOUR = 3600.0
IMDS = "169.254.169.254"


@pytest.fixture
def instance(aws: FakeAWS, machine: Machine) -> FakeAWS:
    """Let this machine be an EC2 instance."""
    machine.environ(aws.metadata_environ())
    return aws


@pytest.mark.parametrize("factory", [anycreds.from_instance_metadata, anycreds.from_default_chain])
async def test_14_9_static_stability_works(factory: Any, instance: FakeAWS) -> None:
    """Through the public function and the default chain, a set of EC2 metadata outlives its end while that is down."""
    instance.clock = clock = ManualClock()
    provider = anycreds.cached(factory(), clock=clock)
    first = await provider()
    instance.script("role", Forever(Status(503)))
    clock.advance(instance.lifetime)
    stale = await provider()
    assert stale.access_key_id == first.access_key_id
    assert stale.original_expiration == first.expiration
    assert stale.expiration is not None
    assert 300 <= stale.expiration.timestamp() - clock.time() <= 600


async def test_14_9_version_1_is_remembered(instance: FakeAWS) -> None:
    """A provider whose instance has no tokens asks for one once, and not again at each call."""
    instance.imds_v1, instance.token_status = True, 403
    provider = anycreds.from_instance_metadata()
    await provider()
    await provider()
    assert (instance.count("token"), instance.count("role")) == (1, 2)


@virtual
async def test_14_10_a_timeout_is_known_by_its_kind(network: MemoryNetwork) -> None:
    """A token call without an answer is a ``MetadataUnreachableError``, never a reason for version 1, and no habit."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock, imds_v1=True)
    network.serve(aws)
    network.script(IMDS, 80, [("hang",)])
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    assert isinstance(await error_of(provider), MetadataUnreachableError)
    assert (anyio.current_time(), len(network.connections), aws.count()) == (1.0, 1, 0)
    await provider()
    assert [exchange.route for exchange in aws.exchanges] == ["token", "role list", "role"]


async def test_14_11_a_token_is_kept_for_its_life(instance: FakeAWS) -> None:
    """The token of EC2 metadata is asked for once, and again when its six hours are over."""
    instance.clock = clock = ManualClock()
    instance.lifetime = 12 * HOUR
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    for _ in range(3):
        assert provider.invalidate(await provider())
        clock.advance(1)
    assert (instance.count("token"), instance.count("role")) == (1, 3)
    clock.advance(6 * HOUR)
    await provider()
    assert instance.count("token") == 2
    assert {exchange.status for exchange in instance.exchanges} == {200}  # it is not used until it is refused


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_14_12_a_failure_never_shortens_a_set(status: int, instance: FakeAWS) -> None:
    """A refresh that fails leaves a set that is good as it is: the same object, with the same end."""
    instance.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    first = await provider()
    instance.script("role", Forever(Status(status)))
    clock.advance(5 * HOUR + 600)
    assert await provider() is first
    with anyio.fail_after(5):
        while instance.count("role") < 2:  # noqa: ASYNC110 - the refresh is another task's, and the fake has no event
            await anyio.sleep(0.001)
    assert await provider() is first
    assert first.original_expiration is None


async def test_14_12_a_role_that_was_taken_away_is_not_served_on(instance: FakeAWS) -> None:
    """That the instance has no role any more is no outage: the set that has ended is not extended."""
    instance.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    await provider()
    instance.role_name = None
    clock.advance(instance.lifetime)
    assert isinstance(await error_of(provider), NotConfiguredError)


@once
async def test_14_13_a_file_that_appears_is_seen(machine: Machine) -> None:
    """A provider that found no file, or no such profile, finds it once it is written; and what is changed in it."""
    provider = anycreds.from_ini("dev")
    assert isinstance(await error_of(provider), ProfileNotFoundError)
    machine.config(f"[profile dev]\n{key_lines('AKIDFIRST')}")
    assert (await provider()).access_key_id == "AKIDFIRST"
    machine.config(f"[profile dev]\n{key_lines('AKIDSECOND')}")
    assert (await provider()).access_key_id == "AKIDSECOND"


async def test_14_14_a_refresh_sees_another_region(aws: FakeAWS, machine: Machine) -> None:
    """The default chain calls STS in the region that the profile has now, not in the one of its first call."""
    aws.clock = clock = ManualClock()
    text = f"[profile work]\nrole_arn = {ROLE}\nsource_profile = base\nregion = {{}}\n[profile base]\n{keys(aws)}"
    provider = anycreds.cached(anycreds.from_default_chain("work"), clock=clock)
    for region in ("eu-west-1", "ap-south-1"):
        machine.config(text.format(region))
        assert provider.invalidate(await provider())
        clock.advance(2)
    assert [asked.signed_for.region for asked in aws.exchanges if asked.signed_for] == ["eu-west-1", "ap-south-1"]


@once
async def test_14_14_keys_without_an_end_are_not_for_ever(machine: Machine) -> None:
    """Keys of the environment are read anew when the program asks for it, by ``recheck_after`` or ``invalidate``."""
    clock = ManualClock()
    provider = anycreds.cached(anycreds.from_default_chain(), clock=clock, recheck_after=timedelta(minutes=5))
    machine.environ({"AWS_ACCESS_KEY_ID": "AKIDFIRST", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-1"})
    assert (await provider()).access_key_id == "AKIDFIRST"
    machine.environ({"AWS_ACCESS_KEY_ID": "AKIDSECOND"})
    clock.advance(301)
    await provider()  # starts the refresh, and need not wait for it
    await anyio.wait_all_tasks_blocked()
    second = await provider()
    assert second.access_key_id == "AKIDSECOND"
    machine.environ({"AWS_ACCESS_KEY_ID": "AKIDTHIRD"})
    clock.advance(2)
    assert provider.invalidate(second)
    assert (await provider()).access_key_id == "AKIDTHIRD"


@once
async def test_14_15_expire_after_changes_nothing_that_is_not_its_own() -> None:
    """``expire_after`` gives a new chain and new sets: neither the chain nor the provider's own set gets an end."""

    async def provider() -> Credentials:
        return KEYS

    chain = anycreds.create_credential_chain(provider)
    first, second = [await chain.expire_after(600)() for _ in range(2)]
    assert first.expiration is not None
    assert second.expiration is not None
    assert first.expiration <= second.expiration
    assert KEYS.expiration is None
    assert (await chain()).expiration is None


@pytest.mark.parametrize("lifetime", [math.nan, math.inf, -1, 299, "600", None, True])
@once
async def test_14_15_expire_after_is_validated(lifetime: Any) -> None:
    """What is no length of time, or less than five minutes, is refused at once."""

    async def provider() -> Credentials:
        return KEYS

    with pytest.raises(InvalidConfigurationError):
        anycreds.create_credential_chain(provider).expire_after(lifetime)


async def test_14_16_an_assumer_is_told_whose_role_it_is(machine: Machine) -> None:
    """One ``role_assumer`` serves two profiles at once: each call gets its own source credentials, as an argument."""
    machine.config(
        f"[profile a]\nrole_arn = {ROLE}\nsource_profile = ka\n[profile ka]\n{key_lines('AKIDA')}"
        f"[profile b]\nrole_arn = {ROLE}\nsource_profile = kb\n[profile kb]\n{key_lines('AKIDB')}"
    )
    both = anyio.Event()
    inside: list[str] = []

    async def assume(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        inside.append(source.access_key_id)
        if len(inside) == 2:
            both.set()
        await both.wait()
        return KEYS.replace(access_key_id=f"ASIA{source.access_key_id}")

    got: dict[str, str] = {}

    async def ask(profile: str) -> None:
        got[profile] = (await anycreds.from_ini(profile, role_assumer=assume)()).access_key_id

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "a")
            tasks.start_soon(ask, "b")
    assert got == {"a": "ASIAAKIDA", "b": "ASIAAKIDB"}


@once
async def test_14_16_options_are_never_changed(machine: Machine) -> None:
    """What a program gives may be read-only, as nothing writes into it; a ``ClientConfig`` is frozen anyway."""
    machine.config(f"[profile a]\nrole_arn = {ROLE}\nsource_profile = k\n[profile k]\n{key_lines('AKIDA')}")
    config = ClientConfig(region="eu-west-1")

    async def assume(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        return KEYS

    environ = MappingProxyType({"HOME": str(machine.home), "AWS_PROFILE": "a"})
    await anycreds.from_default_chain(environ=environ, role_assumer=assume, client_config=config)()
    assert config == ClientConfig(region="eu-west-1")
    with pytest.raises(AttributeError, match="frozen"):
        config.region = "us-east-1"


async def test_14_17_a_second_call_is_like_the_first(aws: FakeAWS) -> None:
    """A role can be assumed again and again through a client of the program's, made and closed for each time."""
    routes = Routes(aws)
    access_key_id, secret = next(iter(aws.keys.items()))
    provider = anycreds.from_temporary_credentials(
        ROLE,
        source_credentials=Credentials(access_key_id, secret),
        client_config=ClientConfig(region="eu-west-1", http_client_factory=routes.client),
    )
    assert len({(await provider()).access_key_id for _ in range(3)}) == 3
    assert [client.is_closed for client in routes.made] == [True] * 3


@pytest.mark.parametrize("refusal", [Status(403), Status(400), Body(b'{"Code": "AssumeRoleUnauthorizedAccess"}')])
async def test_14_12_a_refusal_is_no_outage(refusal: Any, aws: FakeAWS, machine: Machine) -> None:
    """A set that has ended is served on while EC2 metadata is down, not when it refuses."""
    machine.environ(aws.metadata_environ())
    aws.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    await provider()
    aws.script("role", Forever(refusal))
    clock.advance(aws.lifetime)
    assert isinstance(await error_of(provider), RetrievalError)
