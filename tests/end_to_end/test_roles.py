"""Roles over real sockets, on every event loop: the number of connections and requests."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, Credentials
from anycreds.testing import FakeAWS, ServiceError
from support.raw_http_server import closed

pytestmark = pytest.mark.anyio

ROLES = [f"arn:aws:iam::123456789012:role/{name}" for name in ("First", "Second", "Third")]
CALLERS = 200


def keys_of(aws: FakeAWS) -> Credentials:
    """Return the access keys of the fake's user."""
    return Credentials(*aws.key_environ().values())


def chain_of_three(aws: FakeAWS) -> anycreds.Provider:
    """Return a provider for the last of three roles, each assumed with the credentials of the previous one."""
    config = ClientConfig(region="us-east-1", endpoint_url=aws.service_url)
    source: anycreds.Provider | Credentials = keys_of(aws)
    for role in ROLES:
        source = anycreds.from_temporary_credentials(role, source_credentials=source, client_config=config)
    assert isinstance(source, anycreds.Provider)
    return source


def assumed_roles(aws: FakeAWS) -> list[str]:
    """Return the roles that were requested, in order."""
    return [exchange.parameters["RoleArn"] for exchange in aws.exchanges]


async def test_chain_of_three_roles_opens_one_connection() -> None:
    """Three providers, each the source of the next, share one connection per call."""
    async with FakeAWS() as aws:
        found = await chain_of_three(aws)()
        assert found.account_id == aws.account_id
        assert assumed_roles(aws) == ROLES
        assert aws.connections == 1
        assert await closed(aws)


async def test_profile_with_three_roles_opens_one_connection(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile with a chain of three roles uses one connection per call."""
    config = isolated / "three-roles"
    async with FakeAWS() as aws:
        for name, value in {**aws.service_environ(), **aws.key_environ(), "AWS_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        config.write_text(
            f"[profile a]\nrole_arn = {ROLES[0]}\ncredential_source = Environment\n"
            f"[profile b]\nrole_arn = {ROLES[1]}\nsource_profile = a\n"
            f"[profile c]\nrole_arn = {ROLES[2]}\nsource_profile = b\n"
        )
        found = await anycreds.from_ini("c", config_filepath=str(config))()
        assert found.account_id == aws.account_id
        assert assumed_roles(aws) == ROLES
        assert aws.connections == 1
        assert await closed(aws)


async def test_rejected_role_leaves_no_connection() -> None:
    """A role chain whose first role is rejected leaves no connection open."""
    async with FakeAWS() as aws:
        aws.script("assume role", ServiceError(403, "AccessDenied"))
        with pytest.raises(anycreds.RetrievalError) as caught:
            await chain_of_three(aws)()
        assert caught.value.code == "AccessDenied"
        assert assumed_roles(aws) == ROLES[:1]
        assert aws.connections == 1
        assert await closed(aws)


async def test_callers_of_a_cold_role_make_one_exchange() -> None:
    """Hundreds of concurrent callers of a cold role get the same credentials from one AssumeRole."""
    got: list[Credentials] = []
    async with FakeAWS(latency=0.01) as aws:
        config = ClientConfig(region="us-east-1", endpoint_url=aws.service_url)
        provider = anycreds.cached(
            anycreds.from_temporary_credentials(ROLES[0], source_credentials=keys_of(aws), client_config=config)
        )

        async def call() -> None:
            got.append(await provider())

        async with anyio.create_task_group() as tasks:
            for _ in range(CALLERS):
                tasks.start_soon(call)
        assert len(got) == CALLERS
        assert all(one is got[0] for one in got)
        assert aws.count("assume role") == aws.count() == aws.connections == 1
