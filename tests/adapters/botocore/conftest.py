"""What the tests of the adapter for botocore stand on: a server that checks signatures, and an end for every portal."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from adapters.aiobotocore.signed_aws import SignedAws, signed_aws


@pytest.fixture(autouse=True)
def portals_end() -> Iterator[None]:
    """End, after each test, the event loop that the adapter keeps for the life of a process."""
    from anycreds.adapters import _blocking_portal

    yield
    _blocking_portal.stop_all()


@pytest.fixture(autouse=True)
def others_are_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep other libraries from logging what they sign and send: that is full of tokens, and none of ours."""
    for name in ("botocore", "boto3", "s3transfer", "urllib3"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.INFO)


@pytest.fixture
def aws() -> Iterator[SignedAws]:
    """Serve for the time of the test."""
    with signed_aws() as found:
        yield found


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """Give each kind of loop that the adapter may use."""
    name: str = request.param
    return name
