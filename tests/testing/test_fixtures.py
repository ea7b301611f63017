"""The public pytest fixtures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from anycreds.testing import FakeAWS
from support import plain_http

PLANTED = {
    "AWS_ACCESS_KEY_ID": "AKIAFOREIGN",
    "AWS_SECRET_ACCESS_KEY": "foreign",
    "AWS_PROFILE": "foreign",
    "AWS_REGION": "xx-nowhere-1",
    "AWS_CA_BUNDLE": "/nowhere",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "All_Proxy": "http://127.0.0.1:9",
    "NO_PROXY": "*",
    "SSL_CERT_FILE": "/nowhere",
    "SSL_CERT_DIR": "/nowhere",
    "REQUESTS_CA_BUNDLE": "/nowhere",
    "CURL_CA_BUNDLE": "/nowhere",
}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables again that the isolation of this suite has removed. ``again`` isolates from them."""
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def again(planted: None, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    import anycreds.testing.pytest_plugin as plugin

    patch = request.getfixturevalue("monkeypatch")
    home = plugin.aws_isolated.__wrapped__(patch, tmp_path)  # type: ignore[attr-defined]
    assert isinstance(home, Path)
    return home


def test_isolation_removes_settings(again: Path) -> None:
    """``aws_isolated`` removes every AWS setting but the ones that it sets itself."""
    assert not PLANTED.keys() & os.environ.keys()
    left = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    assert left == {
        "AWS_CONFIG_FILE": str(again / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(again / ".aws" / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_isolation_gives_an_empty_home(aws_isolated: Path, tmp_path: Path) -> None:
    """``aws_isolated`` gives the test an empty home directory."""
    assert Path.home() == aws_isolated == tmp_path / "home"
    assert Path("~").expanduser() == aws_isolated
    assert list(aws_isolated.iterdir()) == []


def test_fake_aws_leads_to_its_services(fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """``fake_aws`` serves, and its environment variables lead to its services."""
    for name, value in {**fake_aws.metadata_environ(), **fake_aws.container_environ()}.items():
        monkeypatch.setenv(name, value)
    url, token = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert plain_http.get(url, headers={"Authorization": token}).status_code == 200
    assert plain_http.get(os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"]).status_code == 401
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "false"
