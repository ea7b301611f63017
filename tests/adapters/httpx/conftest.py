"""Fixtures for the httpx and httpx2 adapters; httpx2 may be missing.

Tests use httpx on asyncio. Those marked with ``each_library`` or ``each_loop`` are the sample for httpx2 and trio.
"""

from __future__ import annotations

from importlib import import_module

import pytest

import anycreds._system.http.services  # noqa: F401 - loads httpx before the tests, whose timeouts are short
from adapters.httpx.service import Library
from support.event_loops import asyncio_only as anyio_backend

__all__ = ["anyio_backend"]


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Library:
    """Return httpx, or with ``each_library`` each of the two libraries."""
    name = getattr(request, "param", "httpx")
    module = pytest.importorskip(name, reason="needs the extra httpx2")
    return Library(module, import_module(f"anycreds.adapters.{name}").SigV4Auth)
