"""Every test runs isolated from this machine's settings and network, is searched for secrets and leaves nothing behind.

Tests marked ``anyio`` run on three event loops. Those of a module run under virtual time instead (on two) if it says
``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = [
    "anycreds.testing.pytest_plugin",
    "support.secret_leaks",
    "support.resource_leaks",
    "support.network_guard",
]

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


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and a hang-up have their usual effect here and in new processes.

    Shells let what they run in the background ignore the one, ``nohup`` the other, and the tests may run there.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
