"""Fixtures for the botocore adapter: a server that verifies signatures, and portals that stop after each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from adapters.aiobotocore.signed_aws import SignedAws, signed_aws


@pytest.fixture(autouse=True)
def stop_portals() -> Iterator[None]:
    """Stop, after each test, the event loops that the adapter keeps until the process ends."""
    from anycreds.adapters import _blocking_portal

    yield
    _blocking_portal.stop_all()


@pytest.fixture(autouse=True)
def quiet_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence the logs of other libraries: they contain the tokens that are signed and sent."""
    for name in ("botocore", "boto3", "s3transfer", "urllib3"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Return a server that runs during the test."""
    with signed_aws() as found:
        yield found


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """Return each async library that the adapter may use."""
    name: str = request.param
    return name
