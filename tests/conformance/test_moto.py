"""The real providers with a moto server: STS, Cognito and instance metadata. Run it with ``nox -s peers``."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import anycreds
import anycreds._system.http.services

if not os.environ.get("ANYCREDS_MOTO"):
    pytest.skip("needs a moto server: run `nox -s peers`", allow_module_level=True)

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/app"
KEYS = anycreds.Credentials("AKIDMOTO", "canary-secret")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Run a moto server on a free port, and return its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(autouse=True)
def pointed(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make moto the endpoint of every service and of EC2 metadata."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", moto)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


@pytest.fixture
def pool(moto: str) -> str:
    """Create an identity pool, and return its id."""
    response = cognito(moto, "CreateIdentityPool", IdentityPoolName="case", AllowUnauthenticatedIdentities=True)
    return str(response["IdentityPoolId"])


def cognito(url: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Call an operation of Cognito as an administrator does."""
    headers = {
        "X-Amz-Target": f"AWSCognitoIdentityService.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/cognito-identity/aws4_request",
    }
    request = urllib.request.Request(url, json.dumps(parameters).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document


async def test_instance_metadata() -> None:
    """EC2 metadata returns the role's credentials if the token has no TTL header."""
    credentials = await anycreds.from_instance_metadata()()
    assert credentials.access_key_id == "test-key"
    assert credentials.expiration is not None


async def test_default_chain() -> None:
    """The default chain ends at EC2 metadata."""
    assert (await anycreds.from_default_chain()()).source == "EC2 instance metadata"


async def test_assumed_role() -> None:
    """A role with every parameter is assumed; its account is that of its ARN."""
    provider = anycreds.from_temporary_credentials(
        ROLE,
        source_credentials=KEYS,
        role_session_name="case",
        duration=900,
        external_id="outside",
        policy='{"Version": "2012-10-17", "Statement": []}',
        policy_arns=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        tags={"team": "blue"},
        transitive_tag_keys=["team"],
    )
    credentials = await provider()
    assert credentials.access_key_id.startswith("ASIA")
    assert credentials.session_token
    assert credentials.account_id == "123456789012"


async def test_chain_of_roles() -> None:
    """A role of another account is assumed with the credentials of the first."""
    first = anycreds.from_temporary_credentials(ROLE, source_credentials=KEYS)
    second = anycreds.from_temporary_credentials("arn:aws:iam::210987654321:role/inner", source_credentials=first)
    assert (await second()).account_id == "210987654321"


async def test_web_identity() -> None:
    """A role is assumed with a web identity token."""
    credentials = await anycreds.from_web_token(ROLE, "canary-web-token", role_session_name="case")()
    assert credentials.access_key_id.startswith("ASIA")
    assert credentials.account_id == "123456789012"


async def test_error_response() -> None:
    """An error response is a ``RetrievalError`` with status and code."""
    provider = anycreds.from_temporary_credentials(ROLE, source_credentials=KEYS, role_session_name="x" * 65)
    with pytest.raises(anycreds.RetrievalError, match="ValidationError") as caught:
        await provider()
    assert (caught.value.status, caught.value.code) == (400, "ValidationError")


async def test_identity_pool(pool: str) -> None:
    """A guest of a pool gets credentials, and the same identity by its id."""
    credentials = await anycreds.from_cognito_identity_pool(pool)()
    assert credentials.identity_id
    assert credentials.session_token
    assert credentials.expiration is not None
    again = await anycreds.from_cognito_identity(credentials.identity_id)()
    assert again.identity_id == credentials.identity_id


async def test_identity_pool_with_logins(pool: str) -> None:
    """A user with a login gets credentials."""
    logins = {"accounts.example.com": "canary-login"}
    assert (await anycreds.from_cognito_identity_pool(pool, logins=logins)()).access_key_id
