"""What a provider remembers between calls, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import anyio
import pytest

import anycreds
import anycreds._system.http
from anycreds import (
    ClientConfig,
    Credentials,
    MetadataUnreachableError,
    NotConfiguredError,
    RetrievalError,
)
from anycreds.testing import CANARY, Body, FakeAWS, Forever, ManualClock, MemoryNetwork, Status, VirtualClock
from js_sdk_differences.backends import once, virtual
from js_sdk_differences.environment import KEYS, ROLE, Machine, Routes, error_of, key_lines

pytestmark = pytest.mark.anyio

HOUR = 3600.0
IMDS = "169.254.169.254"


@pytest.fixture
def instance(aws: FakeAWS, machine: Machine) -> FakeAWS:
    """Make this machine an EC2 instance."""
    machine.environ(aws.metadata_environ())
    return aws


@pytest.mark.parametrize("factory", [anycreds.from_instance_metadata, anycreds.from_default_chain])
async def test_static_stability(factory: Any, instance: FakeAWS) -> None:
    """Credentials of EC2 metadata are extended past their expiration while the service is down."""
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


@virtual
async def test_token_timeout_is_not_remembered(network: MemoryNetwork) -> None:
    """A timed out token request is a ``MetadataUnreachableError``; the next call uses IMDSv2 again."""
    clock = VirtualClock()
    aws = FakeAWS(clock=clock, imds_v1=True)
    network.serve(aws)
    network.script(IMDS, 80, [("hang",)])
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    assert isinstance(await error_of(provider), MetadataUnreachableError)
    assert (anyio.current_time(), len(network.connections), aws.count()) == (1.0, 1, 0)
    await provider()
    assert [exchange.route for exchange in aws.exchanges] == ["token", "role list", "role"]


async def test_token_is_cached_for_its_lifetime(instance: FakeAWS) -> None:
    """The token of EC2 metadata is requested once, and again when its six hours have passed."""
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
    assert {exchange.status for exchange in instance.exchanges} == {200}  # an expired token is never sent


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_failed_refresh_keeps_valid_credentials(status: int, instance: FakeAWS) -> None:
    """A failed refresh leaves valid credentials as they are: the same object, with the same expiration."""
    instance.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    first = await provider()
    instance.script("role", Forever(Status(status)))
    clock.advance(5 * HOUR + 600)
    assert await provider() is first
    with anyio.fail_after(5):
        while instance.count("role") < 2:  # noqa: ASYNC110 - another task refreshes, and the fake has no event
            await anyio.sleep(0.001)
    assert await provider() is first
    assert first.original_expiration is None


async def test_removed_role_is_no_outage(instance: FakeAWS) -> None:
    """Expired credentials are not extended if the instance has no role any more."""
    instance.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    await provider()
    instance.role_name = None
    clock.advance(instance.lifetime)
    assert isinstance(await error_of(provider), NotConfiguredError)


@once
async def test_keys_without_expiration_can_be_reread(machine: Machine) -> None:
    """``recheck_after`` and ``invalidate`` make a cached provider read the environment's keys again."""
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


async def test_role_assumer_gets_its_source_credentials(machine: Machine) -> None:
    """One ``role_assumer`` called for two profiles at once gets each profile's own source credentials."""
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

    async def call(profile: str) -> None:
        got[profile] = (await anycreds.from_ini(profile, role_assumer=assume)()).access_key_id

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "a")
            tasks.start_soon(call, "b")
    assert got == {"a": "ASIAAKIDA", "b": "ASIAAKIDB"}


@once
async def test_options_are_never_changed(machine: Machine) -> None:
    """Options of the caller may be read-only, since nothing writes to them; a ``ClientConfig`` is frozen."""
    machine.config(f"[profile a]\nrole_arn = {ROLE}\nsource_profile = k\n[profile k]\n{key_lines('AKIDA')}")
    config = ClientConfig(region="eu-west-1")

    async def assume(source: Credentials, params: Mapping[str, Any]) -> Credentials:
        return KEYS

    environ = MappingProxyType({"HOME": str(machine.home), "AWS_PROFILE": "a"})
    await anycreds.from_default_chain(environ=environ, role_assumer=assume, client_config=config)()
    assert config == ClientConfig(region="eu-west-1")
    with pytest.raises(AttributeError, match="frozen"):
        config.region = "us-east-1"


async def test_http_client_factory_is_called_for_each_attempt(aws: FakeAWS) -> None:
    """Each attempt creates a client with ``http_client_factory`` and closes it."""
    routes = Routes(aws)
    access_key_id, secret = next(iter(aws.keys.items()))
    provider = anycreds.from_temporary_credentials(
        ROLE,
        source_credentials=Credentials(access_key_id, secret),
        client_config=ClientConfig(region="eu-west-1", http_client_factory=routes.client),
    )
    assert len({(await provider()).access_key_id for _ in range(3)}) == 3
    assert [client.is_closed for client in routes.made] == [True] * 3


@pytest.mark.parametrize(
    "response",
    [Status(403), Status(400), Body(b'{"Code": "AssumeRoleUnauthorizedAccess"}')],
    ids=["403", "400", "AssumeRoleUnauthorizedAccess"],
)
async def test_error_response_is_no_outage(response: Any, aws: FakeAWS, machine: Machine) -> None:
    """Expired credentials are not extended if EC2 metadata responds with an error that is no outage."""
    machine.environ(aws.metadata_environ())
    aws.clock = clock = ManualClock()
    provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
    await provider()
    aws.script("role", Forever(response))
    clock.advance(aws.lifetime)
    assert isinstance(await error_of(provider), RetrievalError)
