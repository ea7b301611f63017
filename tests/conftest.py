"""Isolates every test from the machine's AWS settings and network, and fails tests that leak secrets or resources.

Tests with ``pytest.mark.anyio`` run on asyncio and trio, in some folders also on uvloop, or under virtual time if their
module contains ``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = [
    "anycreds.testing.pytest_plugin",
    "support.event_loops",
    "support.budget",
    "support.secret_leaks",
    "support.resource_leaks",
    "support.network_guard",
]


@pytest.fixture(autouse=True)
def isolated(aws_isolated: Path) -> Path:
    """Isolate every test from the machine's AWS settings. The value is its empty home directory."""
    return aws_isolated


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Restore the default handlers of SIGINT and SIGHUP, also in new processes.

    A shell ignores SIGINT for background processes and ``nohup`` ignores SIGHUP, and the tests may run under either.
    """
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
