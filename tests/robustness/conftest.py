"""Fixtures: a fake AWS in the test's own event loop, and an environment that uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import anycreds._system.http.services  # noqa: F401 - loads httpx before the tests, whose timeouts are short
from anycreds._providers.service import token_cache, token_file
from anycreds.testing import FakeAWS
from robustness.environment import Environment, cognito_pools
from support.event_loops import all_event_loops as anyio_backend
from support.http_libraries import http_library

__all__ = ["anyio_backend", "aws", "environment", "http_library", "without_delays"]  # fixtures


@pytest.fixture
async def aws(anyio_backend: object) -> AsyncIterator[FakeAWS]:
    """Return a running fake AWS."""
    async with FakeAWS(cognito_pools=cognito_pools()) as aws:
        yield aws


@pytest.fixture
def environment(aws: FakeAWS, isolated: Path) -> Environment:
    """Return an environment that uses the fake."""
    return Environment(aws, isolated)


@pytest.fixture
def without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read an invalid token file again immediately instead of after half a second."""
    monkeypatch.setattr(token_file, "_PARTIAL_WRITE_DELAY", 0.0)
    monkeypatch.setattr(token_cache, "_RACE_DELAYS", (0.0,))
