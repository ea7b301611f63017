"""Sessions and what they give for credentials: made, installed, refused, and the examples of the docstrings."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import anycreds
from adapters.aiobotocore.signed_aws import SignedAws
from adapters.aiobotocore.sources import Source, client
from anycreds.testing import CANARY

pytest.importorskip("botocore")

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config

from anycreds.adapters.botocore import ProviderCredentials, create_session, install

SOURCE = Path(__file__).parents[3] / "src"
KEYS = anycreds.Credentials("AKIDEXAMPLE", f"{CANARY}-secret", f"{CANARY}-session", account_id="123456789012")


async def keys() -> anycreds.Credentials:
    return KEYS


def test_what_stands_for_the_provider() -> None:
    """It has all that botocore's own objects have, and shows no secret."""
    credentials = create_session(keys).get_credentials()
    assert isinstance(credentials, ProviderCredentials)
    assert credentials.method == "anycreds"
    frozen = credentials.get_frozen_credentials()
    for found in (credentials, frozen):
        assert found.access_key == "AKIDEXAMPLE"
        assert found.secret_key == f"{CANARY}-secret"
        assert found.token == f"{CANARY}-session"
        assert found.account_id == "123456789012"
    assert credentials.get_account_id() == "123456789012"
    assert credentials.get_deferred_property("account_id")() == "123456789012"
    assert credentials.get_deferred_property("token")() == f"{CANARY}-session"
    assert credentials.get_deferred_property("else")() is None
    assert CANARY not in f"{credentials!r} {frozen!r}"


def test_a_missing_token_is_none() -> None:
    """Neither token nor account is ever an empty text."""

    async def long_term() -> anycreds.Credentials:
        return anycreds.Credentials("AKIDLONG", f"{CANARY}-secret")

    credentials = create_session(long_term).get_credentials()
    assert credentials.get_frozen_credentials().token is None
    assert credentials.token is None
    assert credentials.get_account_id() is None


def test_it_signs_without_a_session() -> None:
    """The signers of botocore take the object as it is."""
    request = AWSRequest("GET", "https://example.com/")
    SigV4Auth(create_session(keys).get_credentials(), "es", "eu-central-1").add_auth(request)
    assert request.headers["X-Amz-Security-Token"] == f"{CANARY}-session"


def test_a_thread_of_its_own_is_not_needed_for_what_is_cached() -> None:
    """What has been fetched is read: no thread is there after the first one was ended."""
    from anycreds.adapters import _blocking_portal

    credentials = create_session(keys).get_credentials()
    credentials.get_frozen_credentials()
    _blocking_portal.stop_all()
    before = threading.active_count()
    assert credentials.get_frozen_credentials().access_key == "AKIDEXAMPLE"
    assert threading.active_count() == before


@pytest.mark.parametrize("by", ["arguments", "session", "config"])
def test_the_provider_is_told_of_region_and_profile(by: str) -> None:
    """What somebody set on the session reaches the provider, as its caller; the profile counts as named."""
    provider = anycreds.cached(keys)
    if by == "arguments":
        session = create_session(provider, region="eu-central-1", profile="dev")
        expected = anycreds.ClientContext("eu-central-1", "dev")
    elif by == "session":
        session = botocore.session.Session()
        install(session, provider)
        session.set_config_variable("region", "eu-central-1")
        expected = anycreds.ClientContext("eu-central-1")
    else:
        session = create_session(provider, config=Config(region_name="eu-central-1"))
        expected = anycreds.ClientContext("eu-central-1")
    assert session.get_credentials().provider is provider.for_client(expected)


def test_without_region_and_profile_the_cache_is_shared() -> None:
    """A session about which nothing is said uses the provider as it is."""
    provider = anycreds.cached(keys)
    assert create_session(provider).get_credentials().provider is provider


def test_too_late() -> None:
    """A session that has credentials already is refused, because it would use those on."""
    session = create_session(keys)
    session.get_credentials()
    with pytest.raises(
        anycreds.InvalidConfigurationError, match=r"botocore session: the session has credentials already.*\(inst"
    ):
        install(session, keys)


def test_an_unknown_backend() -> None:
    """A backend that there is not is refused when the session is made."""
    with pytest.raises(
        anycreds.InvalidConfigurationError, match=r"backend 'curio' is unknown or not installed; expected 'asyncio' or"
    ):
        create_session(keys, backend="curio")  # type: ignore[arg-type] # it is wrong


def test_installed_twice(aws: SignedAws) -> None:
    """The second provider counts, and an expired token is replaced once."""
    session = botocore.session.Session()
    first, second = Source(aws), Source(aws)
    second.calls = 100
    install(session, first)
    install(session, second.cached())
    aws.before = lambda: second.clock.advance(2)
    aws.expired.add("ASIA0101")
    asked = client(session, aws, "sts")
    asked.get_caller_identity()
    asked.close()
    assert aws.key_ids == ["ASIA0101", "ASIA0102"]
    assert first.calls == 0


def test_without_botocore(tmp_path: Path) -> None:
    """When botocore is missing, the error says what to install."""
    (tmp_path / "botocore.py").write_text("raise ModuleNotFoundError(\"No module named 'botocore'\", name='botocore')")
    done = subprocess.run(
        [sys.executable, "-c", "import anycreds.adapters.botocore"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(SOURCE)))},
        capture_output=True,
        text=True,
        timeout=15,  # seconds; it needs less than one
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: anycreds.adapters.botocore needs botocore")
    assert last.endswith("pip install anycreds[botocore]")


def names_of_example(function: Callable[..., object], **known: Any) -> dict[str, Any]:
    """Run the example of a function, and return the names that it leaves."""
    known = {"anycreds": anycreds, "create_session": create_session, "install": install, **known}
    (example,) = doctest.DocTestFinder(recurse=False).find(function, globs=known)
    assert example.examples
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    return example.globs


@pytest.fixture
def environment(aws: SignedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys, and where the services are, stand in the environment."""
    aws.know(KEYS)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{KEYS.session_token}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)


def test_the_example_of_create_session(aws: SignedAws, environment: None) -> None:
    """The clients of the example, one of them boto3's, ask AWS."""
    names = names_of_example(create_session, boto3=pytest.importorskip("boto3"))
    assert names["sts"].get_caller_identity()["UserId"] == "AKIDEXAMPLE"
    assert [bucket.name for bucket in names["s3"].buckets.all()] == ["first", "second"]
    names["sts"].close()
    names["s3"].meta.client.close()
    assert aws.refusals == [None, None]


def test_the_example_of_install(aws: SignedAws, environment: None) -> None:
    """The session of the example, which is boto3's, signs with the keys."""
    session = names_of_example(install, boto3=pytest.importorskip("boto3"))["session"]
    sts = session.client("sts")
    assert sts.get_caller_identity()["UserId"] == "AKIDEXAMPLE"
    sts.close()
    assert aws.refusals == [None]
