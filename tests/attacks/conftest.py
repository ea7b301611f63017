"""What attacks share: a fake AWS in the test's own event loop, and a stage before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import anycreds._token_files
from anycreds.testing import FakeAWS
from attacks.stage import Stage, cognito_pools
from peers import httpx_loaded  # noqa: F401


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
    monkeypatch.setattr(anycreds._token_files, "_TORN", 0.0)
    monkeypatch.setattr(anycreds._token_files, "_SIBLING", (0.0,))
