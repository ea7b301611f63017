"""Fixtures for pytest. Load them with ``pytest_plugins = ["anycreds.testing.pytest_plugin"]`` in your conftest.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import _virtual_time
from ._fake_aws import FakeAWS

# What else changes where credentials come from, or how they are fetched. Proxies are told by the end of their names.
_ELSEWHERE = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HOMEDRIVE", "HOMEPATH")


@pytest.fixture
def aws_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Keep the machine's own AWS settings out of the test; the value is the test's home directory, which is empty.

    Removes every ``AWS_*`` variable, and those that name proxies and CA bundles. ``HOME`` and ``USERPROFILE`` are
    ``tmp_path / "home"``. ``AWS_CONFIG_FILE`` and ``AWS_SHARED_CREDENTIALS_FILE`` name files in its ``.aws`` that do
    not exist; and ``AWS_EC2_METADATA_DISABLED`` is ``true``, so that nothing asks an instance metadata service.
    """
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper().endswith("_PROXY") or name in _ELSEWHERE:
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
    """Serve a ``FakeAWS`` from a thread of its own, with the default settings, for the time of the test.

    Nothing points to it yet: do that with ``monkeypatch.setenv`` for each of ``fake_aws.metadata_environ()`` or
    ``fake_aws.container_environ()``.
    """
    with FakeAWS.in_thread() as aws:
        yield aws


@pytest.fixture(params=_virtual_time.VIRTUAL_BACKENDS)
def virtual_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Give both backends virtual time, anew for each test.

    All ``pytest.mark.anyio`` tests of a module run so if it says
    ``from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend``.
    """
    if request.param == "trio":
        pytest.importorskip("trio")
    return _virtual_time.virtual_backend(request.param)
