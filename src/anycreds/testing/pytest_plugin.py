"""Fixtures for pytest. To use them, put ``pytest_plugins = ["anycreds.testing.pytest_plugin"]`` in your conftest.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .._factories.runtime import RUNTIME
from .._system import runtime, threads
from .._system.runtime import SystemRuntime
from . import _virtual_time
from ._fake_aws import FakeAWS
from ._isolation import isolate


@pytest.fixture
def aws_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Isolate the test from the machine's AWS settings.

    Removes all ``AWS_*`` variables, and those for proxies and CA bundles. Sets ``HOME`` and ``USERPROFILE`` to an empty
    directory, ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` to missing files in its ``.aws``, and
    ``AWS_EC2_METADATA_DISABLED`` to ``true``.

    Returns:
        The home directory.
    """
    home = tmp_path / "home"
    home.mkdir()
    isolate(monkeypatch, home)
    return home


@pytest.fixture
def fake_aws() -> Iterator[FakeAWS]:
    """Serve a ``FakeAWS`` with default settings from another thread during the test.

    No environment variable points to it. Set those of ``fake_aws.metadata_environ()`` or
    ``fake_aws.container_environ()`` with ``monkeypatch.setenv``.
    """
    with FakeAWS.in_thread() as aws:
        yield aws


@pytest.fixture(params=_virtual_time.VIRTUAL_BACKENDS)
def virtual_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return an anyio backend under virtual time, each of asyncio and trio in turn.

    All ``pytest.mark.anyio`` tests of a module use it if the module contains
    ``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
    """
    if request.param == "trio":
        pytest.importorskip("trio")
    return _virtual_time.virtual_backend(request.param)


@pytest.fixture
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> _virtual_time.VirtualClock:
    """Put the whole library on one virtual clock during the test.

    Every provider and cache that is created in the test uses the clock, also those that the code under test creates
    with ``from_default_chain()`` or ``cached()``, without ``clock=``. Files are read without threads. Use it in a test
    under ``virtual_backend``, where the clock runs with the event loop.

    Returns:
        The clock, for ``FakeAWS(clock=...)`` and for the ``expiration`` of the test's own credentials.

    Example::

        async def test_refresh(virtual_clock, monkeypatch):
            with MemoryNetwork() as network:
                network.serve(FakeAWS(clock=virtual_clock))
                for name, value in network.container_environ().items():
                    monkeypatch.setenv(name, value)
                await code_under_test()
    """
    clock = _virtual_time.VirtualClock()
    virtual = RUNTIME.with_clock(clock)
    # In place, because the modules of the factories have imported the object.
    for name in SystemRuntime.__slots__:
        monkeypatch.setattr(RUNTIME, name, getattr(virtual, name))
    # For other environment variables there are other runtimes.
    monkeypatch.setattr(runtime, "SystemClock", lambda: clock)
    monkeypatch.setattr(threads, "enabled", False)
    return clock
