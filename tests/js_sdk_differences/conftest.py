"""Fixtures: a machine, a fake AWS named by its variables, an in-memory network, and the event loops of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anycreds.testing import FakeAWS, MemoryNetwork, virtual_backend
from js_sdk_differences.backends import REAL, VIRTUAL
from js_sdk_differences.environment import Machine


@pytest.fixture(params=list(REAL))
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return each event loop in turn, or those that the test selects."""
    name: str = request.param
    if name.startswith(VIRTUAL):
        return virtual_backend(name.removeprefix(VIRTUAL))
    if "uvloop" in name and sys.platform == "win32":
        pytest.skip("there is no uvloop for Windows")
    return REAL[name]


@pytest.fixture
def machine(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return the machine that the program runs on."""
    return Machine(isolated, monkeypatch)


@pytest.fixture
def aws(fake_aws: FakeAWS, machine: Machine) -> FakeAWS:
    """Return a running fake AWS that the machine's variables name for services, but not for metadata."""
    machine.environ(fake_aws.service_environ())
    return fake_aws


@pytest.fixture
def network(machine: Machine) -> Iterator[MemoryNetwork]:
    """Return an in-memory network for virtual time; files are read without a thread, which needs real time."""
    machine.environ({"AWS_EC2_METADATA_DISABLED": "false"})
    with MemoryNetwork() as network:
        yield network
