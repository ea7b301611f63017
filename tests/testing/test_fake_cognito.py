"""Cognito identity pools in the fake: guests and those who log in, and what they are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from anycreds.testing import CANARY, Expired, FakeAWS, IdentityPool, ManualClock, ServiceError

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


def ask(aws: FakeAWS, operation: str, /, **form: Any) -> httpx.Response:
    headers = {"x-amz-target": f"{SERVICE}.{operation}", "Content-Type": TYPE}
    return httpx.post(aws.service_url, json=form, headers=headers, trust_env=False)


def get_id(aws: FakeAWS, /, **form: Any) -> httpx.Response:
    return ask(aws, "GetId", **{"IdentityPoolId": POOL, **form})


def credentials(aws: FakeAWS, identity_id: str, /, **form: Any) -> httpx.Response:
    return ask(aws, "GetCredentialsForIdentity", IdentityId=identity_id, **form)


def told(answer: httpx.Response) -> tuple[int, str, str]:
    assert answer.headers["Content-Type"] == TYPE
    document = answer.json()
    assert document["__type"] == answer.headers["x-amzn-ErrorType"]
    return answer.status_code, document["__type"], document["message"]


def test_a_guest(aws: FakeAWS) -> None:
    """Each guest is somebody new, and gets a set with its end in seconds since 1970."""
    first, second = (get_id(aws).json()["IdentityId"] for _ in range(2))
    assert first == "eu-west-1:00000001-0000-4000-8000-000000000000"
    assert second == "eu-west-1:00000002-0000-4000-8000-000000000000"
    answer = credentials(aws, first)
    document = answer.json()
    assert answer.headers["Content-Type"] == TYPE
    assert document["IdentityId"] == first
    issued = document["Credentials"]
    assert issued.keys() == {"AccessKeyId", "SecretKey", "SessionToken", "Expiration"}
    assert (issued["Expiration"], type(issued["Expiration"])) == (1_767_229_200.0, float)
    assert CANARY in issued["SecretKey"]
    assert [aws.count("cognito id"), aws.count("cognito credentials"), aws.issued] == [2, 1, 1]


def test_the_pool_that_there_is() -> None:
    """Without settings there is one pool, for guests."""
    with FakeAWS.in_thread() as aws:
        (pool_id,) = aws.cognito_pools
        assert get_id(aws, IdentityPoolId=pool_id).json()["IdentityId"].startswith("us-east-1:")


def test_who_logs_in(aws: FakeAWS) -> None:
    """Who logs in is always the same, and gets sets with that login only. Tokens are not noted."""
    identity_id = get_id(aws, Logins=LOGINS, AccountId="123456789012").json()["IdentityId"]
    assert get_id(aws, Logins=LOGINS).json()["IdentityId"] == identity_id
    assert get_id(aws, Logins={"other.example": "canary-other"}).json()["IdentityId"] != identity_id
    assert credentials(aws, identity_id, Logins=LOGINS).status_code == 200
    assert told(credentials(aws, identity_id)) == (
        400,
        "NotAuthorizedException",
        f"Access to Identity '{identity_id}' is forbidden.",
    )
    answer = told(credentials(aws, identity_id, Logins={"other.example": "canary-other"}))
    assert answer[1] == "NotAuthorizedException"
    assert "Logins don't match" in answer[2]
    assert dict(aws.exchanges[0].parameters) == {
        "IdentityPoolId": POOL,
        "Logins.login.example": "(12 characters)",
        "AccountId": "123456789012",
    }


def test_a_guest_logs_in(aws: FakeAWS) -> None:
    """A guest who logs in stays the same identity, which then wants its login."""
    identity_id = get_id(aws).json()["IdentityId"]
    assert credentials(aws, identity_id, Logins=LOGINS).json()["IdentityId"] == identity_id
    assert credentials(aws, identity_id).status_code == 400


@pytest.mark.parametrize(
    ("logins", "message"),
    [
        ({"login.example": "wrong"}, "Invalid login token."),
        ({"unknown.example": "x"}, "Token is not from a supported provider of this identity pool."),
        ({**LOGINS, "other.example": "wrong"}, "Invalid login token."),
    ],
)
def test_wrong_logins(aws: FakeAWS, logins: dict[str, str], message: str) -> None:
    """A token that is wrong, and a provider that the pool does not know, are refused by both operations."""
    guest = get_id(aws).json()["IdentityId"]
    for answer in (get_id(aws, Logins=logins), credentials(aws, guest, Logins=logins)):
        assert told(answer) == (400, "NotAuthorizedException", message)


def test_a_pool_can_be_closed_to_guests(aws: FakeAWS) -> None:
    """A pool may want a login, also from guests that it had before."""
    answer = get_id(aws, IdentityPoolId=CLOSED)
    assert told(answer)[1:] == (
        "NotAuthorizedException",
        "Unauthenticated access is not supported for this identity pool.",
    )
    assert get_id(aws, IdentityPoolId=CLOSED, Logins=LOGINS).status_code == 200
    guest = get_id(aws).json()["IdentityId"]
    aws.cognito_pools[POOL] = {"unauthenticated": False}
    assert told(credentials(aws, guest))[1] == "NotAuthorizedException"


def test_custom_roles(aws: FakeAWS) -> None:
    """A role that the pool allows can be asked for with a login; without one, or another role, it is refused."""
    identity_id = get_id(aws, Logins=LOGINS).json()["IdentityId"]
    guest = get_id(aws).json()["IdentityId"]
    role = "arn:aws:iam::123456789012:role/c"
    assert credentials(aws, identity_id, Logins=LOGINS, CustomRoleArn=role).status_code == 200
    for answer in (
        credentials(aws, identity_id, Logins=LOGINS, CustomRoleArn=role + "x"),
        credentials(aws, guest, CustomRoleArn=role),
    ):
        assert told(answer)[1] == "NotAuthorizedException"


def test_what_is_not_found(aws: FakeAWS) -> None:
    """An unknown pool, a pool of another account and an unknown identity are not found."""
    unknown = "eu-west-1:99999999-0000-4000-8000-000000000000"
    assert told(get_id(aws, IdentityPoolId=unknown)) == (
        400,
        "ResourceNotFoundException",
        f"IdentityPool '{unknown}' not found.",
    )
    assert told(get_id(aws, AccountId="210987654321"))[1] == "ResourceNotFoundException"
    assert told(credentials(aws, unknown)) == (400, "ResourceNotFoundException", f"Identity '{unknown}' not found.")
    guest = get_id(aws).json()["IdentityId"]
    del aws.cognito_pools[POOL]
    assert told(credentials(aws, guest))[1] == "ResourceNotFoundException"


@pytest.mark.parametrize("value", ["", "no id", "eu-west-1", "eu-west-1:XYZ", "eu-west-1:" + "0" * 50, None])
def test_ids_have_a_form(aws: FakeAWS, value: str | None) -> None:
    """Ids and account ids are checked as the API reference has them."""
    for answer in (
        get_id(aws, IdentityPoolId=value),
        ask(aws, "GetCredentialsForIdentity", IdentityId=value, Logins={}),
        get_id(aws, AccountId="no number"),
    ):
        assert told(answer)[:2] == (400, "ValidationException")


@pytest.mark.parametrize(
    "form",
    [
        {"Unknown": "x"},
        {"IdentityPoolId": 7},
        {"IdentityPoolId": {"a": "b"}},
        {"Logins": "x"},
        {"Logins": {"login.example": 7}},
        {"AccountId": ["123456789012"]},
        {"CustomRoleArn": "x"},
    ],
)
def test_documents_of_the_wrong_shape(aws: FakeAWS, form: dict[str, Any]) -> None:
    """A document with unknown members, or with values of other types, is refused."""
    assert told(get_id(aws, **form))[:2] == (400, "SerializationException")


def test_other_operations(aws: FakeAWS) -> None:
    """Another operation, another content type and what is no JSON are refused."""
    assert told(ask(aws, "GetOpenIdToken"))[1] == "UnknownOperationException"
    assert aws.count("other") == 1
    headers = {"x-amz-target": f"{SERVICE}.GetId"}
    assert (
        told(httpx.post(aws.service_url, json={}, headers=headers, trust_env=False))[1] == "UnknownOperationException"
    )
    headers["Content-Type"] = TYPE
    answer = httpx.post(aws.service_url, content=b"{", headers=headers, trust_env=False)
    assert told(answer)[1] == "SerializationException"


def test_faults(aws: FakeAWS) -> None:
    """``Refuse`` speaks JSON 1.1, and ``Expired`` gives a set that has ended."""
    aws.script("cognito id", ServiceError(400, "TooManyRequestsException", "slow down"))
    assert told(get_id(aws)) == (400, "TooManyRequestsException", "slow down")
    guest = get_id(aws).json()["IdentityId"]
    aws.script("cognito credentials", Expired(90))
    assert credentials(aws, guest).json()["Credentials"]["Expiration"] == 1_767_225_510.0
