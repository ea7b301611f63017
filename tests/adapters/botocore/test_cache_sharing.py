"""Sessions for several regions share one cache, unless the credentials of the provider depend on the region."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest

import anycreds
from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import Source
from anycreds.testing import FakeAWS

pytest.importorskip("botocore")

from anycreds.adapters.botocore import create_session

REGIONS = ["eu-central-1", "eu-west-3", "us-east-1"]
ROLE = "arn:aws:iam::123456789012:role/Demo"


def sessions_of(provider: anycreds.CredentialProvider) -> list[Any]:
    """Return the credentials objects of one session for each region."""
    return [create_session(provider, region=region).get_credentials() for region in REGIONS]


def key_ids_of(sessions: list[Any]) -> list[str]:
    return [session.get_frozen_credentials().access_key for session in sessions]


def test_function_is_called_once_for_three_regions(aws: SignedAws) -> None:
    """Three sessions with one async function cause one call, and share the cache of the provider."""
    source = Source(aws)
    provider = source.cached()
    sessions = sessions_of(provider)
    assert key_ids_of(sessions) == ["ASIA0001"] * 3
    assert [session.provider for session in sessions] == [provider] * 3
    assert source.calls == 1


def test_invalidate_reaches_the_sessions_of_all_regions(aws: SignedAws) -> None:
    """After ``provider.invalidate`` the sessions of all regions return new credentials."""
    source = Source(aws)
    provider = source.cached()
    sessions = sessions_of(provider)
    key_ids_of(sessions)
    source.clock.advance(2)  # past the minimum of one second between calls
    assert provider.invalidate(anyio.run(provider))
    assert key_ids_of(sessions) == ["ASIA0002"] * 3
    assert source.calls == 2


def test_keep_fresh_reaches_the_sessions_of_all_regions(aws: SignedAws) -> None:
    """Inside ``provider.keep_fresh()`` the sessions of all regions read the credentials that it fetched."""
    source = Source(aws)
    provider = source.cached()
    sessions = sessions_of(provider)

    async def main() -> list[str]:
        async with provider.keep_fresh():
            return await anyio.to_thread.run_sync(key_ids_of, sessions)

    assert anyio.run(main) == ["ASIA0001"] * 3
    assert source.calls == 1


def test_container_is_called_once_for_three_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sessions with container credentials cause one request."""
    with FakeAWS.in_thread() as fake:
        for name, value in fake.container_environ().items():
            monkeypatch.setenv(name, value)
        key_ids = key_ids_of(sessions_of(anycreds.cached(anycreds.from_container_metadata())))
        assert len(set(key_ids)) == 1
        assert fake.count() == 1


def test_role_is_assumed_once_for_each_region() -> None:
    """A role of STS depends on the region: each session has a cache, and STS is called in its region."""
    with FakeAWS.in_thread() as fake:
        user = anycreds.Credentials(*fake.key_environ().values())
        config = anycreds.ClientConfig(endpoint_url=fake.service_url)
        provider = anycreds.cached(
            anycreds.from_temporary_credentials(ROLE, source_credentials=user, client_config=config)
        )
        sessions = sessions_of(provider)
        key_ids = key_ids_of(sessions)
        assert key_ids_of(sessions) == key_ids
        assert len(set(key_ids)) == 3
        signed_for = [exchange.signed_for for exchange in fake.exchanges]
        assert [signed.region for signed in signed_for if signed is not None] == REGIONS
        assert not provider.invalidate(anyio.run(sessions[0].provider))  # the cache of another region
