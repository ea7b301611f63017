"""The event loops that tests run on: asyncio and trio, and in folders about waiting itself also uvloop.

``--eager-tasks`` (Python 3.12 or newer) lets every asyncio event loop start its tasks eagerly, as programs can.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

ASYNCIO = pytest.param(("asyncio", {}), id="asyncio")
UVLOOP = pytest.param(
    ("asyncio", {"use_uvloop": True}),
    id="asyncio+uvloop",
    marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not support Windows"),
)
TRIO = pytest.param(("trio", {}), id="trio")

on_asyncio = pytest.mark.parametrize("anyio_backend", [ASYNCIO])
"""Runs a test on asyncio only, because no event loop can change its result."""


@pytest.fixture(params=[ASYNCIO, TRIO])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return asyncio and trio in turn. It replaces anyio's fixture, so that no test runs on uvloop by chance."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture(params=[ASYNCIO, UVLOOP, TRIO])
def all_event_loops(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return asyncio, asyncio with uvloop, and trio in turn."""
    backend: tuple[str, dict[str, Any]] = request.param
    return backend


@pytest.fixture
def asyncio_only() -> tuple[str, dict[str, Any]]:
    """Return asyncio. In folders that use it, ``each_loop`` marks the tests that run on trio too."""
    return "asyncio", {}


each_loop = pytest.mark.parametrize("anyio_backend", [ASYNCIO, TRIO])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--eager-tasks", action="store_true", help="start the tasks of asyncio eagerly (from Python 3.12 on)"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "not_eager(reason): skip the test with --eager-tasks")
    if config.getoption("eager_tasks"):
        _start_tasks_eagerly()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that say why they cannot run with eager tasks."""
    if config.getoption("eager_tasks"):
        for item in items:
            if marker := item.get_closest_marker("not_eager"):
                item.add_marker(pytest.mark.skip(reason=marker.args[0]))


def _start_tasks_eagerly() -> None:
    """Give every new event loop of asyncio, also those of virtual time, the eager task factory."""
    factory = getattr(asyncio, "eager_task_factory", None)
    if factory is None:
        raise pytest.UsageError("--eager-tasks needs Python 3.12 or newer")
    base: Any = asyncio.BaseEventLoop
    init = base.__init__

    def eager_init(loop: asyncio.BaseEventLoop) -> None:
        init(loop)
        loop.set_task_factory(factory)

    base.__init__ = eager_init
