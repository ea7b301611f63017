"""All services of the fake on one port, called by botocore's clients and in pieces."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import anyio
import botocore.auth
import botocore.session
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from anycreds.testing import CANARY, ROUTES, Body, FakeAWS, Forever, HalfBody, ManualClock, ServiceError
from support import plain_http

ROLE = "arn:aws:iam::210987654321:role/demo"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    monkeypatch.setattr(botocore.auth.logger, "disabled", True)  # it logs what it signs, tokens included
    with FakeAWS.in_thread() as aws:
        yield aws


class Clients:
    """Botocore's clients, each created once."""

    def __init__(self, aws: FakeAWS) -> None:
        self._aws = aws
        self._session: Any = botocore.session.Session()

    def call(self, service: str, operation: str, key: dict[str, str] | None = None, /, **form: Any) -> Any:
        keys = key or dict(zip(("aws_access_key_id", "aws_secret_access_key"), *self._aws.keys.items(), strict=True))
        unsigned = Config(signature_version=UNSIGNED) if service != "sts" else None
        settings = {"region_name": "eu-west-1", "endpoint_url": self._aws.service_url, "config": unsigned}
        with closing(self._session.create_client(service, **settings, **keys)) as client:
            return getattr(client, operation)(**form)


@pytest.fixture
def clients(aws: FakeAWS, caplog: pytest.LogCaptureFixture) -> Clients:
    caplog.set_level("CRITICAL", logger="botocore")  # what botocore logs is not ours
    return Clients(aws)


def as_keys(issued: dict[str, str]) -> dict[str, str]:
    return {
        "aws_access_key_id": issued["AccessKeyId"],
        "aws_secret_access_key": issued["SecretAccessKey"],
        "aws_session_token": issued["SessionToken"],
    }


def test_botocore_assumes_roles(aws: FakeAWS, clients: Clients) -> None:
    """Botocore's STS client can use long-term keys, temporary credentials and a web identity."""
    first = clients.call("sts", "assume_role", RoleArn=ROLE, RoleSessionName="one", Tags=[{"Key": "a", "Value": "b c"}])
    assert first["AssumedRoleUser"]["Arn"] == "arn:aws:sts::210987654321:assumed-role/demo/one"
    assert (first["Credentials"]["Expiration"] - datetime.now(UTC)).total_seconds() == pytest.approx(3600, abs=30)
    result = clients.call("sts", "get_caller_identity", as_keys(first["Credentials"]))
    assert (result["Account"], result["Arn"]) == ("210987654321", first["AssumedRoleUser"]["Arn"])
    web = {"RoleArn": ROLE, "RoleSessionName": "two", "WebIdentityToken": aws.web_identity_token()}
    assert clients.call("sts", "assume_role_with_web_identity", **web)["Credentials"]["AccessKeyId"]
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        clients.call("sts", "get_caller_identity", {**as_keys(first["Credentials"]), "aws_session_token": "other"})


def test_botocore_reads_responses(aws: FakeAWS, clients: Clients) -> None:
    """Botocore's clients of the portal, OIDC and Cognito can read the fake's responses."""
    token = aws.sso_token()
    form = {name: token[name] for name in ("clientId", "clientSecret", "refreshToken")}
    fresh = clients.call("sso-oidc", "create_token", grantType="refresh_token", **form)
    role = {"accountId": "210987654321", "roleName": "Reader", "accessToken": fresh["accessToken"]}
    assert CANARY in clients.call("sso", "get_role_credentials", **role)["roleCredentials"]["secretAccessKey"]
    with pytest.raises(ClientError, match="InvalidGrantException"):
        clients.call("sso-oidc", "create_token", grantType="refresh_token", **form)
    (pool_id,) = aws.cognito_pools
    guest = clients.call("cognito-identity", "get_id", IdentityPoolId=pool_id)
    issued = clients.call("cognito-identity", "get_credentials_for_identity", **_identity(guest))["Credentials"]
    assert (issued["Expiration"] - datetime.now(UTC)).total_seconds() == pytest.approx(6 * 3600, abs=30)
    keys = as_keys({**issued, "SecretAccessKey": issued["SecretKey"]})
    assert clients.call("sts", "get_caller_identity", keys)["Arn"].endswith("_Role/CognitoIdentityCredentials")


def _identity(response: dict[str, Any]) -> dict[str, str]:
    return {"IdentityId": response["IdentityId"]}


@pytest.mark.realtime
@pytest.mark.anyio
async def test_body_in_pieces_is_read_completely() -> None:
    """A body in pieces is read completely, for several requests on one connection."""
    async with FakeAWS(clock=ManualClock()) as aws:
        token = aws.sso_token()
        form = {"grantType": "refresh_token"} | {n: token[n] for n in ("clientId", "clientSecret", "refreshToken")}
        body = json.dumps(form).encode()
        head = (
            f"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with await anyio.connect_tcp("127.0.0.1", int(aws.service_url.rpartition(":")[2])) as stream:
            for _ in range(2):
                await stream.send(head.encode() + body[:10])
                await anyio.sleep(0.01)
                await stream.send(body[10:])
                await stream.receive()
        assert [exchange.status for exchange in aws.exchanges] == [200, 400]
        assert aws.connections == 1


def test_every_route_can_be_scripted(aws: FakeAWS) -> None:
    """Every route can have faults, and an unknown route is an error that lists them."""
    assert ROUTES == (
        "token",
        "role list",
        "role",
        "container",
        "assume role",
        "web identity",
        "caller identity",
        "sso role",
        "sso token",
        "sign-in token",
        "cognito id",
        "cognito credentials",
    )
    for route in ROUTES:
        aws.script(route, ServiceError(500, "InternalFailure"))
    with pytest.raises(ValueError, match="sign-in token"):
        aws.script("sso", ServiceError(500, "InternalFailure"))


def test_service_error_of_metadata(aws: FakeAWS) -> None:
    """``ServiceError`` has the format of the container endpoint there, without a request id."""
    aws.script("container", ServiceError(503, "Busy", "later"))
    response = plain_http.get(aws.container_url)
    assert (response.status_code, response.json()) == (503, {"Code": "Busy", "Message": "later"})
    assert "x-amzn-RequestId" not in response.headers


def test_faults_of_a_service(aws: FakeAWS) -> None:
    """``Body`` and ``HalfBody`` work for a service as for metadata."""
    url = aws.service_url + "/federation/credentials?account_id=210987654321&role_name=Reader"
    headers = {"x-amz-sso_bearer_token": aws.sso_token()["accessToken"]}
    aws.script("sso role", Body(b"null"), Forever(HalfBody()))
    assert plain_http.get(url, headers=headers).json() is None
    with pytest.raises(httpx.RemoteProtocolError):
        plain_http.get(url, headers=headers)
    aws.restore()
    assert plain_http.get(url, headers=headers).status_code == 200


def test_records_have_no_secret(aws: FakeAWS) -> None:
    """The repr of the recorded requests and of the issued tokens contains no secret."""
    token = aws.sso_token()
    form = {"grantType": "refresh_token"} | {name: token[name] for name in ("clientId", "clientSecret", "refreshToken")}
    plain_http.post(aws.service_url + "/token", json=form)
    web = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "tests"}
    plain_http.post(aws.service_url, data={**web, "WebIdentityToken": aws.web_identity_token()})
    (pool_id,) = aws.cognito_pools
    logins = {"IdentityPoolId": pool_id, "Logins": {"login.example": f"{CANARY}-login"}}
    target = {"x-amz-target": "AWSCognitoIdentityService.GetId", "Content-Type": "application/x-amz-json-1.1"}
    plain_http.post(aws.service_url, json=logins, headers=target)
    assert len([exchange for exchange in aws.exchanges if exchange.parameters]) == 3
    noted = [
        aws.exchanges,
        *aws.records.issues.values(),
        *aws.records.clients.values(),
        *aws.records.identities.values(),
    ]
    assert CANARY not in repr([*noted, *aws.records.refresh_tokens.values()])


def test_cryptography_is_not_imported() -> None:
    """Only a request to sign-in imports cryptography."""
    code = "import sys, anycreds.testing; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
