"""Fixtures for the httpx and httpx2 adapters; httpx2 may be missing."""

from __future__ import annotations

from importlib import import_module

import anyio
import pytest

from adapters.httpx.service import Library
from anycreds._system import http


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Library:
    """Return each of the two libraries."""
    module = pytest.importorskip(request.param, reason="needs the extra httpx2")
    return Library(module, import_module(f"anycreds.adapters.{request.param}").SigV4Auth)


@pytest.fixture(scope="session", autouse=True)
def preload() -> None:
    """Import httpx and its backends, which takes longer than a test should."""
    anyio.run(http.load)
