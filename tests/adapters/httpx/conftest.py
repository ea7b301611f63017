"""Fixtures for the httpx and httpx2 adapters; httpx2 may be missing."""

from __future__ import annotations

from importlib import import_module

import pytest

import anycreds._system.http  # noqa: F401 - loads httpx before the tests, whose timeouts are short
from adapters.httpx.service import Library


@pytest.fixture(params=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Library:
    """Return each of the two libraries."""
    module = pytest.importorskip(request.param, reason="needs the extra httpx2")
    return Library(module, import_module(f"anycreds.adapters.{request.param}").SigV4Auth)
