"""Where no EC2 metadata service responds, many callers cause few connections (virtual time)."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

import anycreds
from anycreds.testing import FakeAWS, MemoryNetwork, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend
from support.goals import RecordGoal

__all__ = ["anyio_backend"]  # a fixture: it makes the tests of this module run under virtual time

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/reader"


@pytest.fixture(autouse=True)
def enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable EC2 metadata, which the isolation of tests disables."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def role_on_an_instance() -> anycreds.Provider:
    return anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_instance_metadata())


@pytest.mark.goal("G6")
@pytest.mark.parametrize(
    ("factory", "error"),
    [
        (anycreds.from_instance_metadata, anycreds.MetadataUnreachableError),
        (anycreds.from_default_chain, anycreds.NoCredentialsError),
        (role_on_an_instance, anycreds.InvalidConfigurationError),
    ],
    ids=["metadata", "default-chain", "role"],
)
async def test_refused_connections_are_seconds_apart(
    factory: Callable[[], anycreds.Provider], error: type[anycreds.CredentialsError], goal: RecordGoal
) -> None:
    """For a minute, hundreds of callers share an attempt after 1, 2, 4, 5, 5 … s, and each gets its error."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        for _ in range(100):
            network.script("169.254.169.254", 80, [("refuse",)])
        provider = anycreds.cached(factory(), clock=clock)
        while clock.monotonic() < 60:
            with pytest.raises(error):
                await provider()
            await anyio.sleep(0.1)
        count = len(network.connections)
    goal("G6", "{count} connections where EC2 metadata is away", "a minute with 600 calls, 3 providers", count=count)
    assert count == 14


async def test_instance_without_a_role_is_asked_seconds_apart() -> None:
    """An instance without a role is asked after 1, 2, 4, 5 … s too, and a role that is attached is found then."""
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock)
        network.serve(aws)
        aws.role_name = None
        provider = anycreds.cached(anycreds.from_instance_metadata(), clock=clock)
        while clock.monotonic() < 30:
            with pytest.raises(anycreds.NotConfiguredError, match="no role attached"):
                await provider()
            await anyio.sleep(0.1)
        assert aws.count("role list") == 8
        aws.role_name = "a-role"
        await anyio.sleep(5)
        assert (await provider()).access_key_id.startswith("ASIA")
