"""What attacks share: a fake AWS in the test's own event loop, and a stage before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from anycreds._providers.service import token_cache
from anycreds.testing import FakeAWS
from robustness.environment import Stage, cognito_pools
from support.raw_http_server import httpx_loaded  # noqa: F401


@pytest.fixture
async def aws(anyio_backend: object) -> AsyncIterator[FakeAWS]:
    """Serve."""
    async with FakeAWS(cognito_pools=cognito_pools()) as aws:
        yield aws


@pytest.fixture
def stage(aws: FakeAWS, isolated: Path) -> Stage:
    """Set a stage."""
    return Stage(aws, isolated)


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at a file that is wrong at once again, and not after half a second."""
    monkeypatch.setattr(token_cache, "_TORN", 0.0)
    monkeypatch.setattr(token_cache, "_SIBLING", (0.0,))
