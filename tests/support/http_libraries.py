"""The HTTP libraries that call AWS services. `nox -s adapters` has both, the other sessions have httpx."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from anycreds._system.http import library

INSTALLED = [name for name in ("httpx", "httpx2") if find_spec(name) is not None]


@pytest.fixture(params=INSTALLED)
def http_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call services with httpx, and then with httpx2 if it is installed. Return the library."""
    chosen = import_module(request.param)
    monkeypatch.setattr(library, "chosen", chosen)
    return chosen
