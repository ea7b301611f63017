"""The fakes of the IAM Identity Center portal and its OIDC service: responses and errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from anycreds.testing import CANARY, Expired, FakeAWS, ManualClock, ServiceError
from support import plain_http

ACCOUNT = "210987654321"
TOKEN = "x-amz-sso_bearer_token"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def aws(clock: ManualClock) -> Iterator[FakeAWS]:
    with FakeAWS.in_thread(clock=clock, lifetime=3600) as aws:
        yield aws


def role(aws: FakeAWS, token: str | None, /, **query: str) -> httpx.Response:
    params = {"account_id": ACCOUNT, "role_name": "Reader", **query}
    given = {name: value for name, value in params.items() if value != "absent"}
    headers = {} if token is None else {TOKEN: token}
    return plain_http.get(aws.service_url + "/federation/credentials", params=given, headers=headers)


def refresh(aws: FakeAWS, token: Mapping[str, str], /, **changed: Any) -> httpx.Response:
    form = {name: token[name] for name in ("clientId", "clientSecret", "refreshToken")}
    given = {"grantType": "refresh_token", **form, **changed}
    return plain_http.post(
        aws.service_url + "/token", json={name: value for name, value in given.items() if value != "absent"}
    )


def test_token_has_the_fields_of_a_cache_file(aws: FakeAWS) -> None:
    """The token has the fields of a cache file, with the dates that the services use."""
    token = aws.sso_token(expires_in=600, registration_expires_in=1200, region="eu-west-1", start_url="https://start")
    assert list(token) == [
        "startUrl",
        "region",
        "accessToken",
        "expiresAt",
        "clientId",
        "clientSecret",
        "registrationExpiresAt",
        "refreshToken",
    ]
    assert (token["startUrl"], token["region"]) == ("https://start", "eu-west-1")
    assert (token["expiresAt"], token["registrationExpiresAt"]) == ("2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z")
    assert all(CANARY in token[name] for name in ("accessToken", "clientSecret", "refreshToken"))
    assert CANARY not in token["clientId"]
    assert aws.sso_token()["accessToken"] != token["accessToken"]


def test_portal_returns_credentials_of_the_account(aws: FakeAWS) -> None:
    """The portal returns credentials of the account, with their expiration in milliseconds."""
    response = role(aws, aws.sso_token()["accessToken"])
    issued = response.json()["roleCredentials"]
    assert issued.keys() == {"accessKeyId", "secretAccessKey", "sessionToken", "expiration"}
    assert issued["expiration"] == 1_767_229_200_000
    assert CANARY in issued["secretAccessKey"]
    assert response.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    (exchange,) = aws.exchanges
    assert (exchange.route, exchange.path, exchange.signed_for) == ("sso role", "/federation/credentials", None)
    assert exchange.parameters == {"account_id": ACCOUNT, "role_name": "Reader"}


def test_portal_requires_a_token(aws: FakeAWS) -> None:
    """A request without an access token, or with an unknown one, gets a 401."""
    for token in (None, "", "made up"):
        response = role(aws, token)
        assert (response.status_code, response.headers["x-amzn-ErrorType"]) == (401, "UnauthorizedException")
        assert response.json() == {"message": "Session token not found or invalid"}
    assert aws.issued == 0


def test_access_token_expires(aws: FakeAWS, clock: ManualClock) -> None:
    """An access token is accepted until it expires, and can be created expired."""
    token = aws.sso_token(expires_in=60)["accessToken"]
    clock.advance(59)
    assert role(aws, token).status_code == 200
    clock.advance(1)
    assert role(aws, token).status_code == 401
    assert role(aws, aws.sso_token(expires_in=-1)["accessToken"]).status_code == 401


def test_accounts_and_roles_are_settable(aws: FakeAWS) -> None:
    """With ``sso_roles``, an unknown account is not found and an unknown role is forbidden."""
    aws.sso_roles = {ACCOUNT: ["Reader"]}
    token = aws.sso_token()["accessToken"]
    assert role(aws, token).status_code == 200
    other = role(aws, token, account_id="123456789012")
    assert (other.status_code, other.headers["x-amzn-ErrorType"]) == (404, "ResourceNotFoundException")
    forbidden = role(aws, token, role_name="Writer")
    assert (forbidden.status_code, forbidden.headers["x-amzn-ErrorType"]) == (403, "ForbiddenException")
    assert forbidden.json() == {"message": "No access"}


def test_portal_rejects_other_queries(aws: FakeAWS) -> None:
    """A query without account id or role name, or with other parameters, is rejected."""
    for query in (
        {"account_id": "absent"},
        {"role_name": "absent"},
        {"role_name": ""},
        {"account_id": "1234"},
        {"account_id": "\N{ARABIC-INDIC DIGIT ONE}" * 12},
        {"more": "x"},
    ):
        response = role(aws, aws.sso_token()["accessToken"], **query)
        error = response.status_code, response.headers["x-amzn-ErrorType"]
        assert (query, error) == (query, (400, "InvalidRequestException"))


def test_refresh_token_is_accepted_once(aws: FakeAWS, clock: ManualClock) -> None:
    """OIDC accepts a refresh token once, and returns a new access token and a new refresh token."""
    token = aws.sso_token(expires_in=-1)
    response = refresh(aws, token)
    fresh = response.json()
    assert fresh.keys() == {"accessToken", "tokenType", "expiresIn", "refreshToken"}
    assert (fresh["tokenType"], fresh["expiresIn"]) == ("Bearer", 3600)
    assert CANARY in fresh["accessToken"]
    assert CANARY in fresh["refreshToken"]
    assert role(aws, fresh["accessToken"]).status_code == 200
    assert refresh(aws, {**token, **fresh}).json()["refreshToken"] != fresh["refreshToken"]
    assert aws.reused_refresh_tokens == 0
    for count in (1, 2):
        used = refresh(aws, token)
        assert (used.status_code, used.headers["x-amzn-ErrorType"]) == (400, "InvalidGrantException")
        assert used.json()["error"] == "invalid_grant"
        assert aws.reused_refresh_tokens == count
    clock.advance(3600)
    assert role(aws, fresh["accessToken"]).status_code == 401
    assert dict(aws.exchanges[0].parameters) == {
        "grantType": "refresh_token",
        "clientId": token["clientId"],
        "clientSecret": f"({len(token['clientSecret'])} characters)",
        "refreshToken": f"({len(token['refreshToken'])} characters)",
    }


def test_refresh_tokens_need_not_rotate(aws: FakeAWS) -> None:
    """OIDC can return the same refresh token or none, and then accepts the old one again."""
    token = aws.sso_token()
    aws.sso_refresh = "keep"
    assert [refresh(aws, token).json()["refreshToken"] for _ in range(2)] == [token["refreshToken"]] * 2
    aws.sso_refresh = "omit"
    assert "refreshToken" not in refresh(aws, token).json()
    aws.sso_refresh, aws.sso_token_lifetime = "rotate", 60
    assert refresh(aws, token).json()["expiresIn"] == 60
    assert aws.reused_refresh_tokens == 0


OIDC_ERRORS: list[tuple[dict[str, Any], int, str, str]] = [
    ({"clientId": "absent"}, 400, "InvalidRequestException", "invalid_request"),
    ({"clientSecret": ""}, 400, "InvalidRequestException", "invalid_request"),
    ({"clientSecret": 7}, 400, "InvalidRequestException", "invalid_request"),
    ({"grantType": "absent"}, 400, "InvalidRequestException", "invalid_request"),
    ({"refreshToken": "absent"}, 400, "InvalidRequestException", "invalid_request"),
    ({"scope": "x"}, 400, "InvalidRequestException", "invalid_request"),
    ({"grantType": "authorization_code"}, 400, "UnsupportedGrantTypeException", "unsupported_grant_type"),
    ({"clientId": "another"}, 401, "InvalidClientException", "invalid_client"),
    ({"clientSecret": "wrong"}, 401, "InvalidClientException", "invalid_client"),
    ({"refreshToken": "made up"}, 400, "InvalidGrantException", "invalid_grant"),
]


def test_invalid_refresh_gets_its_error_code(aws: FakeAWS) -> None:
    """Each invalid parameter gets its error code, and does not consume the refresh token."""
    for changed, status, code, error in OIDC_ERRORS:
        token = aws.sso_token()
        response = refresh(aws, token, **changed)
        assert (changed, response.status_code, response.headers["x-amzn-ErrorType"]) == (changed, status, code)
        assert response.json()["error"] == error
        assert response.json().keys() == {"error", "error_description"}
        assert refresh(aws, token).status_code == 200


def test_expired_registration(aws: FakeAWS, clock: ManualClock) -> None:
    """A client whose registration has expired is rejected."""
    token = aws.sso_token(registration_expires_in=60)
    clock.advance(60)
    assert refresh(aws, token).headers["x-amzn-ErrorType"] == "InvalidClientException"


def test_a_refresh_token_belongs_to_its_client(aws: FakeAWS) -> None:
    """Another client cannot use a refresh token, and does not consume it."""
    token, other = aws.sso_token(), aws.sso_token()
    stolen = refresh(aws, {**other, "refreshToken": token["refreshToken"]})
    assert stolen.headers["x-amzn-ErrorType"] == "InvalidGrantException"
    assert refresh(aws, token).status_code == 200


def test_malformed_document_is_rejected(aws: FakeAWS) -> None:
    """A body that is no JSON object is rejected, and the fake continues to serve."""
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"[]", b"{", b"\xff", b"[" * 100_000):
        response = plain_http.post(aws.service_url + "/token", content=body, headers=headers)
        assert (body[:9], response.headers["x-amzn-ErrorType"]) == (body[:9], "InvalidRequestException")
        assert refresh(aws, aws.sso_token()).status_code == 200


def test_other_methods_and_types_are_rejected(aws: FakeAWS) -> None:
    """A wrong method gets a 405, and a form is rejected as no JSON."""
    url = aws.service_url
    assert plain_http.post(url + "/federation/credentials").status_code == 405
    assert plain_http.get(url + "/token").status_code == 405
    form = aws.sso_token() | {"grantType": "refresh_token"}
    assert plain_http.post(url + "/token", data=form).status_code == 400


def test_faults_have_the_format_of_each_service(aws: FakeAWS) -> None:
    """``ServiceError`` is encoded in each service's format, and ``Expired`` returns expired credentials or tokens."""
    token = aws.sso_token()
    aws.script("sso role", ServiceError(429, "TooManyRequestsException", "slow down"), Expired(90))
    busy = role(aws, token["accessToken"])
    assert (busy.status_code, busy.headers["x-amzn-ErrorType"]) == (429, "TooManyRequestsException")
    assert busy.json() == {"message": "slow down"}
    ended = role(aws, token["accessToken"]).json()["roleCredentials"]["expiration"]
    assert ended == 1_767_225_510_000
    aws.script(
        "sso token", ServiceError(400, "AuthorizationPendingException", "wait", "authorization_pending"), Expired(90)
    )
    assert refresh(aws, token).json() == {"error": "authorization_pending", "error_description": "wait"}
    fresh = refresh(aws, token).json()
    assert fresh["expiresIn"] == -90
    assert role(aws, fresh["accessToken"]).status_code == 401
