"""Isolates every test from the machine's AWS settings and network, and fails tests that leak secrets or resources.

Tests with ``pytest.mark.anyio`` run on asyncio and trio, in some folders also on uvloop, or under virtual time if their
module contains ``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anycreds.testing._isolation import isolate

pytest_plugins = [
    "anycreds.testing.pytest_plugin",
    "support.event_loops",
    "support.schedule_search",
    "support.goals",  # before those that import it
    "support.budget",
    "support.fault_ids",
    "support.secret_leaks",
    "support.resource_leaks",
    "support.network_guard",
    "support.real_time",
]


def pytest_collection_finish() -> None:
    """Exempt what is there before the first test from garbage collection: thousands of tests, and all modules.

    Many tests let the collector run, and look for objects of their own. It would take ten times as long.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def missing_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home directory of the tests that have no files: it does not exist."""
    return tmp_path_factory.getbasetemp() / "missing-home"


@pytest.fixture(autouse=True)
def isolated_from_machine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, missing_home: Path
) -> Iterator[None]:
    """Isolate every test from the machine's AWS settings. Only a test that requests ``isolated`` may have files."""
    if "aws_isolated" in request.fixturenames:
        request.getfixturevalue("aws_isolated")
        yield
        return
    isolate(monkeypatch, missing_home)  # no directory for each of thousands of tests that need none
    yield
    assert not missing_home.exists(), "wrote into the home directory without the fixture ``isolated``"


@pytest.fixture
def isolated(aws_isolated: Path) -> Path:
    """Return the empty home directory of a test, which its environment variables name."""
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
