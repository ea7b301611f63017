"""Sessions and their credentials objects: created, installed, rejected, and the docstring examples."""

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
from adapters.aiobotocore.sources import RecordingProvider, Source, client
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


def test_credentials_object_has_botocores_attributes() -> None:
    """The credentials object has the attributes of botocore's own, and its text contains no secret."""
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


def test_missing_token_is_none() -> None:
    """Neither token nor account id is ever an empty string."""

    async def long_term() -> anycreds.Credentials:
        return anycreds.Credentials("AKIDLONG", f"{CANARY}-secret")

    credentials = create_session(long_term).get_credentials()
    assert credentials.get_frozen_credentials().token is None
    assert credentials.token is None
    assert credentials.get_account_id() is None


def test_botocores_signers_take_the_object() -> None:
    """The signers of botocore take the credentials object."""
    request = AWSRequest("GET", "https://example.com/")
    SigV4Auth(create_session(keys).get_credentials(), "es", "eu-central-1").add_auth(request)
    assert request.headers["X-Amz-Security-Token"] == f"{CANARY}-session"


def test_cached_credentials_need_no_thread() -> None:
    """Cached credentials are returned without a portal thread."""
    from anycreds.adapters import _blocking_portal

    credentials = create_session(keys).get_credentials()
    credentials.get_frozen_credentials()
    _blocking_portal.stop_all()
    before = threading.active_count()
    assert credentials.get_frozen_credentials().access_key == "AKIDEXAMPLE"
    assert threading.active_count() == before


@pytest.mark.parametrize("by", ["arguments", "session", "config"])
def test_region_and_profile_reach_the_provider(by: str) -> None:
    """The region and profile that are set on the session become the client context of the provider."""
    provider = anycreds.cached(RecordingProvider(KEYS))
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
    assert session.get_credentials().provider is provider.for_client(expected) is not provider


def test_region_and_profile_reach_a_function() -> None:
    """An async function with one parameter gets the region and profile of the session."""

    async def for_client(context: anycreds.ClientContext) -> anycreds.Credentials:
        return anycreds.Credentials(f"AKID-{context.profile}-{context.region}", f"{CANARY}-secret")

    session = create_session(for_client, region="eu-central-1", profile="dev")
    assert session.get_credentials().get_frozen_credentials().access_key == "AKID-dev-eu-central-1"


def test_session_without_settings_shares_the_cache() -> None:
    """A session without region and profile uses the provider itself."""
    provider = anycreds.cached(keys)
    assert create_session(provider).get_credentials().provider is provider


def test_session_with_credentials_is_rejected() -> None:
    """A session that has credentials already is rejected, because it would continue to use them."""
    session = create_session(keys)
    session.get_credentials()
    with pytest.raises(
        anycreds.InvalidConfigurationError, match=r"botocore session: the session has credentials already.*\(inst"
    ):
        install(session, keys)


def test_unknown_backend_is_rejected() -> None:
    """An unknown backend is rejected when the session is created."""
    with pytest.raises(
        anycreds.InvalidConfigurationError, match=r"backend 'curio' is unknown or not installed; expected 'asyncio' or"
    ):
        create_session(keys, backend="curio")  # type: ignore[arg-type] # an invalid value


def test_second_install_replaces_the_first(aws: SignedAws) -> None:
    """After a second install only the second provider is called, and an expired session is replaced once."""
    session = botocore.session.Session()
    first, second = Source(aws), Source(aws)
    second.calls = 100
    install(session, first)
    install(session, second.cached())
    aws.before = lambda: second.clock.advance(2)
    aws.expired.add("ASIA0101")
    sts = client(session, aws, "sts")
    sts.get_caller_identity()
    sts.close()
    assert aws.key_ids == ["ASIA0101", "ASIA0102"]
    assert first.calls == 0


def test_import_error_without_botocore(tmp_path: Path) -> None:
    """Without botocore, the import error names the package to install."""
    (tmp_path / "botocore.py").write_text("raise ModuleNotFoundError(\"No module named 'botocore'\", name='botocore')")
    done = subprocess.run(
        [sys.executable, "-c", "import anycreds.adapters.botocore"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(SOURCE)))},
        capture_output=True,
        text=True,
        timeout=15,  # seconds; a run needs less than one
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: anycreds.adapters.botocore needs botocore")
    assert last.endswith("pip install anycreds[botocore]")


def names_of_example(function: Callable[..., object], **known: Any) -> dict[str, Any]:
    """Run the example of a function, and return its variables."""
    known = {"anycreds": anycreds, "create_session": create_session, "install": install, **known}
    (example,) = doctest.DocTestFinder(recurse=False).find(function, globs=known)
    assert example.examples
    assert doctest.DocTestRunner().run(example, clear_globs=False).failed == 0
    return example.globs


@pytest.fixture
def environment(aws: SignedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set keys and the endpoint in the environment."""
    aws.know(KEYS)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", f"{KEYS.session_token}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)


def test_example_of_create_session(aws: SignedAws, environment: None) -> None:
    """The clients of the example, one of them of boto3, send signed requests."""
    names = names_of_example(create_session, boto3=pytest.importorskip("boto3"))
    assert names["sts"].get_caller_identity()["UserId"] == "AKIDEXAMPLE"
    assert [bucket.name for bucket in names["s3"].buckets.all()] == ["first", "second"]
    names["sts"].close()
    names["s3"].meta.client.close()
    assert aws.error_codes == [None, None]


def test_example_of_install(aws: SignedAws, environment: None) -> None:
    """The example's session of boto3 signs requests."""
    session = names_of_example(install, boto3=pytest.importorskip("boto3"))["session"]
    sts = session.client("sts")
    assert sts.get_caller_identity()["UserId"] == "AKIDEXAMPLE"
    sts.close()
    assert aws.error_codes == [None]
