"""The environment of a machine without AWS settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# Variables without the prefix AWS_ that affect how credentials are found or fetched. Proxies end in _PROXY.
_OTHER_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HOMEDRIVE", "HOMEPATH")


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Unset what the machine sets for AWS, proxies and CA bundles, and let all files be looked for in ``home``."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.upper().endswith("_PROXY") or name in _OTHER_VARIABLES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / ".aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / ".aws" / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
