"""Fixtures for pytest. To use them, put ``pytest_plugins = ["anycreds.testing.pytest_plugin"]`` in your conftest.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import _virtual_time
from ._fake_aws import FakeAWS

# Variables without the prefix AWS_ that affect how credentials are found or fetched. Proxies end in _PROXY.
_OTHER_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HOMEDRIVE", "HOMEPATH")


@pytest.fixture
def aws_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Isolate the test from the machine's AWS settings.

    Removes all ``AWS_*`` variables, and those for proxies and CA bundles. Sets ``HOME`` and ``USERPROFILE`` to an empty
    directory, ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` to missing files in its ``.aws``, and
    ``AWS_EC2_METADATA_DISABLED`` to ``true``.

    Returns:
        The home directory.
    """
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper().endswith("_PROXY") or name in _OTHER_VARIABLES:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / ".aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / ".aws" / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
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
