"""The fake of Cognito identity pools: guests, users who log in, and rejected requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from anycreds.testing import CANARY, Expired, FakeAWS, IdentityPool, ManualClock, ServiceError
from support import plain_http

POOL = "eu-west-1:11111111-2222-4333-8444-555555555555"
CLOSED = "eu-west-1:11111111-2222-4333-8444-666666666666"
LOGINS = {"login.example": "canary-login"}
POOLS: dict[str, IdentityPool] = {
    POOL: {"logins": {**LOGINS, "other.example": "canary-other"}, "custom_roles": ["arn:aws:iam::123456789012:role/c"]},
    CLOSED: {"unauthenticated": False, "logins": LOGINS},
}
TYPE = "application/x-amz-json-1.1"
SERVICE = "AWSCognitoIdentityService"


@pytest.fixture
def aws() -> Iterator[FakeAWS]:
    with FakeAWS.in_thread(clock=ManualClock(), cognito_pools=POOLS, lifetime=3600) as aws:
        yield aws


def call(aws: FakeAWS, operation: str, /, **form: Any) -> httpx.Response:
    headers = {"x-amz-target": f"{SERVICE}.{operation}", "Content-Type": TYPE}
    return plain_http.post(aws.service_url, json=form, headers=headers)


def get_id(aws: FakeAWS, /, **form: Any) -> httpx.Response:
    return call(aws, "GetId", **{"IdentityPoolId": POOL, **form})


def credentials(aws: FakeAWS, identity_id: str, /, **form: Any) -> httpx.Response:
    return call(aws, "GetCredentialsForIdentity", IdentityId=identity_id, **form)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    assert response.headers["Content-Type"] == TYPE
    document = response.json()
    assert document["__type"] == response.headers["x-amzn-ErrorType"]
    return response.status_code, document["__type"], document["message"]


def test_each_guest_gets_a_new_identity(aws: FakeAWS) -> None:
    """Each guest gets a new identity, and credentials with their expiration in seconds since 1970."""
    first, second = (get_id(aws).json()["IdentityId"] for _ in range(2))
    assert first == "eu-west-1:00000001-0000-4000-8000-000000000000"
    assert second == "eu-west-1:00000002-0000-4000-8000-000000000000"
    response = credentials(aws, first)
    document = response.json()
    assert response.headers["Content-Type"] == TYPE
    assert document["IdentityId"] == first
    issued = document["Credentials"]
    assert issued.keys() == {"AccessKeyId", "SecretKey", "SessionToken", "Expiration"}
    assert (issued["Expiration"], type(issued["Expiration"])) == (1_767_229_200.0, float)
    assert CANARY in issued["SecretKey"]
    assert [aws.count("cognito id"), aws.count("cognito credentials"), aws.issued] == [2, 1, 1]


def test_default_pool() -> None:
    """By default there is one pool, for guests."""
    with FakeAWS.in_thread() as aws:
        (pool_id,) = aws.cognito_pools
        assert get_id(aws, IdentityPoolId=pool_id).json()["IdentityId"].startswith("us-east-1:")


def test_user_keeps_the_identity(aws: FakeAWS) -> None:
    """A user who logs in always gets the same identity. Tokens are not recorded."""
    identity_id = get_id(aws, Logins=LOGINS, AccountId="123456789012").json()["IdentityId"]
    assert get_id(aws, Logins=LOGINS).json()["IdentityId"] == identity_id
    assert get_id(aws, Logins={"other.example": "canary-other"}).json()["IdentityId"] != identity_id
    assert credentials(aws, identity_id, Logins=LOGINS).status_code == 200
    assert error_of(credentials(aws, identity_id)) == (
        400,
        "NotAuthorizedException",
        f"Access to Identity '{identity_id}' is forbidden.",
    )
    response = error_of(credentials(aws, identity_id, Logins={"other.example": "canary-other"}))
    assert response[1] == "NotAuthorizedException"
    assert "Logins don't match" in response[2]
    assert dict(aws.exchanges[0].parameters) == {
        "IdentityPoolId": POOL,
        "Logins.login.example": "(12 characters)",
        "AccountId": "123456789012",
    }


def test_guest_logs_in(aws: FakeAWS) -> None:
    """A guest who logs in keeps the identity, which then requires the login."""
    identity_id = get_id(aws).json()["IdentityId"]
    assert credentials(aws, identity_id, Logins=LOGINS).json()["IdentityId"] == identity_id
    assert credentials(aws, identity_id).status_code == 400


def test_wrong_logins_are_rejected(aws: FakeAWS) -> None:
    """Both operations reject a wrong token and an unknown login provider."""
    guest = get_id(aws).json()["IdentityId"]
    for logins, message in (
        ({"login.example": "wrong"}, "Invalid login token."),
        ({"unknown.example": "x"}, "Token is not from a supported provider of this identity pool."),
        ({**LOGINS, "other.example": "wrong"}, "Invalid login token."),
    ):
        for response in (get_id(aws, Logins=logins), credentials(aws, guest, Logins=logins)):
            assert error_of(response) == (400, "NotAuthorizedException", message)


def test_pool_without_guests(aws: FakeAWS) -> None:
    """A pool can require a login, also from earlier guests."""
    response = get_id(aws, IdentityPoolId=CLOSED)
    assert error_of(response)[1:] == (
        "NotAuthorizedException",
        "Unauthenticated access is not supported for this identity pool.",
    )
    assert get_id(aws, IdentityPoolId=CLOSED, Logins=LOGINS).status_code == 200
    guest = get_id(aws).json()["IdentityId"]
    aws.cognito_pools[POOL] = {"unauthenticated": False}
    assert error_of(credentials(aws, guest))[1] == "NotAuthorizedException"


def test_custom_role_needs_a_login(aws: FakeAWS) -> None:
    """An allowed role is accepted with a login, and rejected without one."""
    identity_id = get_id(aws, Logins=LOGINS).json()["IdentityId"]
    guest = get_id(aws).json()["IdentityId"]
    role = "arn:aws:iam::123456789012:role/c"
    assert credentials(aws, identity_id, Logins=LOGINS, CustomRoleArn=role).status_code == 200
    for response in (
        credentials(aws, identity_id, Logins=LOGINS, CustomRoleArn=role + "x"),
        credentials(aws, guest, CustomRoleArn=role),
    ):
        assert error_of(response)[1] == "NotAuthorizedException"


def test_unknown_ids_are_not_found(aws: FakeAWS) -> None:
    """An unknown pool, a pool of another account and an unknown identity are not found."""
    unknown = "eu-west-1:99999999-0000-4000-8000-000000000000"
    assert error_of(get_id(aws, IdentityPoolId=unknown)) == (
        400,
        "ResourceNotFoundException",
        f"IdentityPool '{unknown}' not found.",
    )
    assert error_of(get_id(aws, AccountId="210987654321"))[1] == "ResourceNotFoundException"
    assert error_of(credentials(aws, unknown)) == (400, "ResourceNotFoundException", f"Identity '{unknown}' not found.")
    guest = get_id(aws).json()["IdentityId"]
    del aws.cognito_pools[POOL]
    assert error_of(credentials(aws, guest))[1] == "ResourceNotFoundException"


def test_malformed_ids_are_rejected(aws: FakeAWS) -> None:
    """Malformed ids and account ids are rejected as in the API reference."""
    for value in ("", "no id", "eu-west-1", "eu-west-1:XYZ", "eu-west-1:" + "0" * 50, None):
        for response in (
            get_id(aws, IdentityPoolId=value),
            call(aws, "GetCredentialsForIdentity", IdentityId=value, Logins={}),
        ):
            assert (value, error_of(response)[:2]) == (value, (400, "ValidationException"))
    assert error_of(get_id(aws, AccountId="no number"))[:2] == (400, "ValidationException")


def test_invalid_documents_are_rejected(aws: FakeAWS) -> None:
    """A document with unknown members, or with values of other types, is rejected."""
    forms: list[dict[str, Any]] = [
        {"Unknown": "x"},
        {"IdentityPoolId": 7},
        {"IdentityPoolId": {"a": "b"}},
        {"Logins": "x"},
        {"Logins": {"login.example": 7}},
        {"AccountId": ["123456789012"]},
        {"CustomRoleArn": "x"},
    ]
    for form in forms:
        assert (form, error_of(get_id(aws, **form))[:2]) == (form, (400, "SerializationException"))


def test_unknown_operations(aws: FakeAWS) -> None:
    """An unknown operation, another content type and malformed JSON are rejected."""
    assert error_of(call(aws, "GetOpenIdToken"))[1] == "UnknownOperationException"
    assert aws.count("other") == 1
    headers = {"x-amz-target": f"{SERVICE}.GetId"}
    assert error_of(plain_http.post(aws.service_url, json={}, headers=headers))[1] == "UnknownOperationException"
    headers["Content-Type"] = TYPE
    response = plain_http.post(aws.service_url, content=b"{", headers=headers)
    assert error_of(response)[1] == "SerializationException"


def test_faults_have_the_format_of_cognito(aws: FakeAWS) -> None:
    """``ServiceError`` is encoded as JSON 1.1, and ``Expired`` returns expired credentials."""
    aws.script("cognito id", ServiceError(400, "TooManyRequestsException", "slow down"))
    assert error_of(get_id(aws)) == (400, "TooManyRequestsException", "slow down")
    guest = get_id(aws).json()["IdentityId"]
    aws.script("cognito credentials", Expired(90))
    assert credentials(aws, guest).json()["Credentials"]["Expiration"] == 1_767_225_510.0
