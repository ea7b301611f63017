"""Every test runs isolated from this machine's settings and network, is searched for secrets and leaves nothing behind.

Tests marked ``anyio`` run on three event loops. Those of a module run under virtual time instead (on two) if it says
``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["anycreds.testing.pytest_plugin", "canary", "hygiene", "loopback"]

_NO_UVLOOP = pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop for Windows")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="asyncio+uvloop", marks=_NO_UVLOOP),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Give each event loop in turn."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture(autouse=True)
def isolated(aws_isolated: Path) -> Path:
    """Keep the machine's AWS settings out of every test; the value is its empty home directory."""
    return aws_isolated
