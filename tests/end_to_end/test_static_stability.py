"""Expired credentials of EC2 metadata are returned during an outage, but not after a rejection (virtual time)."""

from __future__ import annotations

import anyio
import pytest

import anycreds
from anycreds import Credentials, CredentialsError, NotConfiguredError
from anycreds.testing import Body, FakeAWS, Forever, MemoryNetwork, ResetAfter, Status, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend

__all__ = ["anyio_backend"]  # a fixture: it makes the tests of this module run under virtual time

pytestmark = pytest.mark.anyio

OUTAGES: list[Status | Body | ResetAfter] = [Status(500), Status(503), Status(429), ResetAfter(0), Body(b"<html>")]
REJECTIONS: list[Status | Body] = [
    Status(400),
    Status(401),
    Status(403),
    Body(b'{"Code": "AssumeRoleUnauthorizedAccess"}'),
]


@pytest.fixture(autouse=True)
def enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable EC2 metadata, which the isolation of tests disables."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


async def after_expiration(
    provider: anycreds.Provider, fault: Status | Body | ResetAfter | None
) -> tuple[VirtualClock, Credentials, Credentials]:
    """Get credentials, let them expire while the role's requests fail; without a fault, the role is removed.

    Return the clock and the credentials before and after.
    """
    clock = VirtualClock()
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=clock)
        network.serve(aws)
        cached = anycreds.cached(provider, clock=clock)
        first = await cached()
        if fault is None:
            aws.role_name = None
        else:
            aws.script("role", Forever(fault))
        await anyio.sleep(aws.lifetime)
        return clock, first, await cached()


async def test_outage_extends_expired_credentials() -> None:
    """During an outage expired credentials are extended by five to ten minutes, also those of the default chain."""
    for fault in OUTAGES:
        for factory in (anycreds.from_instance_metadata, anycreds.from_default_chain):
            clock, first, stale = await after_expiration(factory(), fault)
            assert (fault, stale.access_key_id) == (fault, first.access_key_id)
            assert stale.original_expiration == first.expiration
            assert stale.expiration is not None
            assert 300 <= stale.expiration.timestamp() - clock.time() <= 600


async def test_rejection_does_not_extend_expired_credentials() -> None:
    """An error response that rejects the request is raised once the credentials have expired."""
    for fault in REJECTIONS:
        with pytest.raises(CredentialsError) as caught:
            await after_expiration(anycreds.from_instance_metadata(), fault)
        code = "AssumeRoleUnauthorizedAccess" if isinstance(fault, Body) else None
        assert (fault, getattr(caught.value, "code", None)) == (fault, code)


async def test_removed_role_does_not_extend_expired_credentials() -> None:
    """If the instance has no role any more, its expired credentials are not returned."""
    with pytest.raises(NotConfiguredError):
        await after_expiration(anycreds.from_instance_metadata(), None)
