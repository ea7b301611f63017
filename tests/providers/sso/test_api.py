"""File names, token files, requests and responses of IAM Identity Center, which are parsed strictly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError
from anycreds._core.validation import InvalidValueError
from anycreds._providers.sso.api import (
    bearer_headers,
    credentials_target,
    is_terminal,
    parse_credentials,
    parse_refresh_response,
    refresh_body,
)
from anycreds._providers.sso.token import SsoToken, file_name, parse_token
from anycreds._wire.service_errors import ErrorResponse
from support.errors import error_of, outcome, rejected
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, answer, assert_no_secret
from support.rows import each_row

ACCESS = "aoaAAAA-canary-access-token"
REFRESH = "aorAAAA-canary-refresh-token"
CLIENT_SECRET = "eyJra-canary-client-secret"
EXPIRATION = "2024-01-02T11:04:05Z"
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def token_document(**changes: Any) -> dict[str, Any]:
    """Return the document that ``aws sso login`` writes; ``...`` omits a field."""
    full = {
        "startUrl": "https://d-abc123.awsapps.com/start",
        "region": "eu-central-1",
        "accessToken": ACCESS,
        "expiresAt": EXPIRATION,
        "clientId": "client",
        "clientSecret": CLIENT_SECRET,
        "registrationExpiresAt": "2024-03-01T00:00:00Z",
        "refreshToken": REFRESH,
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def role_document(**changes: Any) -> dict[str, Any]:
    """Return the body of a response of the portal; ``...`` omits a field."""
    full = {
        "accessKeyId": KEY_ID,
        "secretAccessKey": SECRET_KEY,
        "sessionToken": SESSION_TOKEN,
        "expiration": 1_704_186_245_000,
        **changes,
    }
    return {"roleCredentials": {name: value for name, value in full.items() if value is not ...}}


@pytest.mark.fault("S11")
@each_row(
    "key, name",
    [
        ("my-sso", "0ad374308c5a4e22f723adf10145eafad7c4031c.json"),
        ("https://d-abc123.awsapps.com/start", "40a89917e3175433e361b710a9d43528d7f1890a.json"),
        ("admin", "d033e22ae348aeb5660fc2140aec35850c4da997.json"),
    ],
)
def test_file_name(key: str, name: str) -> None:
    """The file has the name that the AWS CLI and all SDKs use."""
    assert file_name(key) == name


def test_complete_token() -> None:
    """All fields of the AWS CLI are parsed, and the repr shows no secret."""
    token = parse_token(token_document())
    assert token == SsoToken(ACCESS, START + 8 * 3600, REFRESH, "client", CLIENT_SECRET, 1_709_251_200.0)
    assert repr(token) == "SsoToken(expires_at=1704193445)"
    assert token.secrets == (ACCESS, REFRESH, CLIENT_SECRET)
    token.check_refreshable(START)


@pytest.mark.parametrize("absent", [..., None, ""])
def test_minimal_token(absent: Any) -> None:
    """Two fields suffice for a token that is not refreshed; absent, null and empty fields are equivalent."""
    rest = dict.fromkeys(("clientId", "clientSecret", "refreshToken"), absent)
    document = token_document(**rest, registrationExpiresAt=None if absent == "" else absent, startUrl=..., region=...)
    token = parse_token(document)
    assert token == SsoToken(ACCESS, START + 8 * 3600)
    assert str(rejected(token.check_refreshable, START)) == "it has no clientId and no clientSecret and no refreshToken"


@pytest.mark.fault("U22")
@each_row(
    "text",
    [
        "2024-01-02T11:04:05Z",
        "2024-01-02T11:04:05UTC",
        "2024-01-02 11:04:05 UTC",
        "2024-01-02T11:04:05",
        "2024-01-02T11:04:05.000Z",
        "2024-01-02T12:04:05+01:00",
    ],
)
def test_expiration_formats(text: str) -> None:
    """The expiration can have each format that AWS tools have used."""
    token = parse_token(token_document(expiresAt=text))
    assert token.expires_at == START + 8 * 3600


NOT_A_TIME = "is not a time such as 2030-12-31T23:59:59Z"


@each_row(
    "changes, reason",
    [
        ({"accessToken": ...}, "accessToken is missing"),
        ({"accessToken": 5}, "accessToken is not text but int"),
        ({"accessToken": " "}, "accessToken is blank"),
        ({"accessToken": f"{ACCESS}\n"}, "accessToken contains the control character U+000A"),
        ({"accessToken": f"{ACCESS}\u20ac"}, "accessToken has a character that an HTTP header cannot contain"),
        ({"accessToken": f" {ACCESS}"}, "accessToken begins or ends with a blank"),
        ({"accessToken": {"accessKeyId": "x"}}, "accessToken is not text but dict"),
        ({"expiresAt": ...}, "expiresAt is missing"),
        ({"expiresAt": None}, "expiresAt is missing"),
        ({"expiresAt": 1_704_193_445}, f"expiresAt {NOT_A_TIME}"),
        ({"expiresAt": "tomorrow"}, f"expiresAt {NOT_A_TIME}"),
        ({"expiresAt": "UTC"}, f"expiresAt {NOT_A_TIME}"),
        ({"refreshToken": 5}, "refreshToken is not text but int"),
        ({"refreshToken": False}, "refreshToken is not text but bool"),
        ({"clientId": ["x"]}, "clientId is not text but list"),
        ({"clientSecret": "\ud800"}, "clientSecret contains a lone surrogate: bytes that are not UTF-8"),
        ({"registrationExpiresAt": "soon"}, f"registrationExpiresAt {NOT_A_TIME}"),
        ({"registrationExpiresAt": 0}, f"registrationExpiresAt {NOT_A_TIME}"),
    ],
)
def test_invalid_token(changes: dict[str, Any], reason: str) -> None:
    """The error for an invalid token names the field, and does not show its value."""
    assert str(rejected(parse_token, token_document(**changes))) == reason


def test_expired_registration() -> None:
    """A token with an expired registration cannot be refreshed."""
    token = parse_token(token_document(registrationExpiresAt="2024-01-02T03:04:05Z"))
    error = rejected(token.check_refreshable, START)
    assert str(error) == "the registration of its client expired at 2024-01-02T03:04:05Z"
    token.check_refreshable(START - 1)


def test_refresh_body() -> None:
    """The body has the field names of CreateToken."""
    assert json.loads(refresh_body(parse_token(token_document()))) == {
        "clientId": "client",
        "clientSecret": CLIENT_SECRET,
        "grantType": "refresh_token",
        "refreshToken": REFRESH,
    }


@pytest.mark.fault("U31")
@each_row(
    "changes, expected",
    [
        ({}, {"expiresAt": EXPIRATION, "refreshToken": REFRESH}),
        ({"tokenType": "Bearer", "idToken": None}, {"expiresAt": EXPIRATION, "refreshToken": REFRESH}),
        ({"refreshToken": ...}, {"expiresAt": EXPIRATION}),
        ({"refreshToken": None}, {"expiresAt": EXPIRATION}),
        ({"refreshToken": ""}, {"expiresAt": EXPIRATION}),
        ({"expiresIn": 28800.5}, {"expiresAt": EXPIRATION, "refreshToken": REFRESH}),
        ({"expiresIn": 10**400}, {"expiresAt": "2025-01-02T03:04:05Z", "refreshToken": REFRESH}),
    ],
)
def test_refresh_response(changes: dict[str, Any], expected: dict[str, str]) -> None:
    """The response becomes the changes of the file; without a refresh token in it, the old one stays."""
    body = {"accessToken": ACCESS, "expiresIn": 28800, "refreshToken": REFRESH, **changes}
    given = answer({name: value for name, value in body.items() if value is not ...})
    assert parse_refresh_response(given, START + 0.25, "SSO") == {"accessToken": ACCESS, **expected}


@pytest.mark.fault("U31")
@each_row(
    "changes, field, reason",
    [
        ({"accessToken": None}, "accessToken", "is missing"),
        ({"accessToken": f"{ACCESS}\r\nX: y"}, "accessToken", "contains the control character U+000D"),
        ({"accessToken": 5}, "accessToken", "is not text but int"),
        ({"expiresIn": None}, "expiresIn", "is missing"),
        ({"expiresIn": 0}, "expiresIn", "is not a number of seconds above 0"),
        ({"expiresIn": -1}, "expiresIn", "is not a number of seconds above 0"),
        ({"expiresIn": "28800"}, "expiresIn", "is not a number of seconds above 0"),
        ({"expiresIn": True}, "expiresIn", "is not a number of seconds above 0"),
        ({"refreshToken": 5}, "refreshToken", "is not text but int"),
        ({"refreshToken": "\x00"}, "refreshToken", "contains the control character U+0000"),
    ],
)
def test_invalid_refresh_response(changes: dict[str, Any], field: str, reason: str) -> None:
    """The error for an invalid response names the field."""
    given = answer({"accessToken": ACCESS, "expiresIn": 28800, "refreshToken": REFRESH, **changes})
    error = error_of(parse_refresh_response, given, START, "SSO", kind=MalformedResponseError)
    assert (error.field, error.message) == (field, f"{field} in the response {reason}")
    assert_no_secret(error, ACCESS, REFRESH)


def test_account_and_role_are_encoded_in_the_query() -> None:
    """Account and role are encoded in the query, in the order of JavaScript."""
    assert credentials_target("123456789012", "Read Only/\u00e4&b=c#d+e") == (
        "/federation/credentials?account_id=123456789012&role_name=Read%20Only%2F%C3%A4%26b%3Dc%23d%2Be"
    )


def test_token_is_in_the_header_of_the_portal() -> None:
    """The token is in the header of the portal."""
    assert bearer_headers(ACCESS) == {"Accept": "application/json", "x-amz-sso_bearer_token": ACCESS}


@pytest.mark.fault("U22")
def test_credentials_have_expiration_and_account() -> None:
    """The credentials have the expiration in milliseconds and the account of the request."""
    assert parse_credentials(answer(role_document(accountId="no")), "123456789012", "SSO") == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        account_id="123456789012",
        source="SSO",
    )


NOT_MILLISECONDS = "is not a whole number of milliseconds since 1970"


@pytest.mark.fault("U19", "U22")
@each_row(
    "document, field, reason",
    [
        ({}, "roleCredentials", "is missing"),
        ({"roleCredentials": None}, "roleCredentials", "is missing"),
        ({"roleCredentials": [KEY_ID]}, "roleCredentials", "is not an object"),
        (role_document(accessKeyId=...), "roleCredentials.accessKeyId", "is missing"),
        (role_document(secretAccessKey=None), "roleCredentials.secretAccessKey", "is missing"),
        (role_document(secretAccessKey=5), "roleCredentials.secretAccessKey", "is not text but int"),
        (role_document(sessionToken=""), "roleCredentials.sessionToken", "is blank"),
        (role_document(sessionToken="a\nb"), "roleCredentials.sessionToken", "contains the control character U+000A"),
        (role_document(expiration=...), "roleCredentials.expiration", "is missing"),
        (role_document(expiration="1704186245000"), "roleCredentials.expiration", NOT_MILLISECONDS),
        (role_document(expiration=1704186245000.5), "roleCredentials.expiration", NOT_MILLISECONDS),
        (role_document(expiration=True), "roleCredentials.expiration", NOT_MILLISECONDS),
        (role_document(expiration=10**18), "roleCredentials.expiration", "is outside the years 1 to 9999"),
        (role_document(expiration=-(10**400)), "roleCredentials.expiration", "is outside the years 1 to 9999"),
    ],
)
def test_invalid_credentials(document: dict[str, Any], field: str, reason: str) -> None:
    """All four fields are required with their types; the error names the field."""
    error = error_of(parse_credentials, answer(document), "1", "SSO", kind=MalformedResponseError)
    assert (error.field, error.message) == (field, f"{field} in the response {reason}")
    assert_no_secret(error)


@each_row("body", [b"", b"null", b"[]", b"<html>", b"\xff", b'{"roleCredentials":', b"[" * 100_000])
def test_invalid_body(body: bytes) -> None:
    """A body that is not a JSON object is an error for both services."""
    for error in (
        error_of(parse_credentials, answer(body), "1", "SSO", kind=MalformedResponseError),
        error_of(parse_refresh_response, answer(body), START, "SSO", kind=MalformedResponseError),
    ):
        assert error.source == "SSO"


@pytest.mark.fault("U31")
@each_row(
    "status, code, expected",
    [
        (401, None, True),
        (400, "InvalidGrantException", True),
        (400, "invalid_client", True),
        (400, "SlowDownException", False),
        (403, None, False),
        (404, None, False),
    ],
)
def test_terminal_errors(status: int, code: str | None, expected: bool) -> None:
    """Status 401 and the error codes about the token or the client are terminal; a proxy's responses are not."""
    assert is_terminal(answer(b"", status), ErrorResponse(status, code, "")) is expected


@given(field=st.sampled_from(sorted(token_document())), value=ANYTHING)
def test_any_token_file(field: str, value: Any) -> None:
    """Any value of a field results in a token or in ``InvalidValueError``."""
    found = outcome(parse_token, token_document(**{field: value}))
    if isinstance(found, SsoToken):
        assert isinstance(found.access_token, str)
        assert isinstance(outcome(found.check_refreshable, START), InvalidValueError | None)


@given(st.dictionaries(st.sampled_from(("accessToken", "expiresIn", "refreshToken")), ANYTHING))
def test_any_refresh_response(body: dict[str, Any]) -> None:
    """Any response results in changes that can be parsed, or in an error."""
    found = outcome(parse_refresh_response, answer(body), START, "SSO")
    if isinstance(found, dict):
        assert isinstance(parse_token(token_document(**found)), SsoToken)


@given(field=st.sampled_from(("accessKeyId", "secretAccessKey", "sessionToken", "expiration")), value=ANYTHING)
def test_any_credentials(field: str, value: Any) -> None:
    """Any value of a field results in credentials or in an error."""
    found = outcome(parse_credentials, answer(role_document(**{field: value})), "1", "SSO")
    assert isinstance(found, Credentials | MalformedResponseError)
