"""The file of ``aws login``, and its refresh request and responses, which are parsed strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError
from anycreds._core.http import Response
from anycreds._core.validation import InvalidValueError
from anycreds._providers.login.api import (
    HINTS,
    is_terminal,
    oauth_error,
    parse_error_response,
    parse_refresh_response,
    refresh_body,
)
from anycreds._providers.login.token import LoginToken, file_name, parse_token
from anycreds._wire.service_errors import ErrorResponse
from support.errors import error_of, outcome, rejected
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, answer, assert_no_secret
from support.login_fixtures import (
    CLIENT,
    NEW_TOKEN,
    PEM,
    REFRESH_TOKEN,
    access_token,
    denied,
    document,
    refresh_response,
)
from support.rows import each_row


def token(**changes: object) -> LoginToken:
    """Return the token in a valid document."""
    found = parse_token(document(**changes), "login")
    assert isinstance(found, LoginToken), found
    return found


def changes(response: Response, **old: object) -> Mapping[str, Any]:
    """Return the changes in a valid response."""
    found = parse_refresh_response(response, token(**old), START, "login")
    assert not isinstance(found, MalformedResponseError), found
    return found


@pytest.mark.fault("S11")
@each_row(
    "session, name",
    [
        (
            "arn:aws:iam::0123456789012:user/username",
            "a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json",
        ),
        (
            " \tarn:aws:iam::0123456789012:user/username\n",
            "a9aa6015b267d43765ace474701cabd31e4e9b20b4a9a72ffc52f3c0b9ae6543.json",
        ),
        ("\u00e9", "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c.json"),
    ],
)
def test_file_name(session: str, name: str) -> None:
    """The file name is the SHA-256 of the session without blanks around it, as in the other SDKs."""
    assert file_name(session) == name


def test_file_name_of_botocore() -> None:
    """The file name for a role's session is that of botocore."""
    name = file_name("arn:aws:sts::012345678910:assumed-role/Admin/admin")
    assert name.startswith("4b0ba8f9")
    assert name.endswith("e255.json")


def test_complete_token() -> None:
    """All fields are parsed; the credentials have expiration, account and source."""
    found = token(signInRegion="eu-central-1")
    assert found.credentials == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 3, 14, 5, tzinfo=UTC),
        account_id="012345678901",
        source="login",
    )
    assert found.expires_at == START + 600
    assert (found.client_id, found.refresh_token, found.dpop_key, found.region) == (
        CLIENT,
        REFRESH_TOKEN,
        PEM,
        "eu-central-1",
    )
    assert set(found.secrets) == {REFRESH_TOKEN, SECRET_KEY, SESSION_TOKEN}


def test_repr_of_a_token_shows_no_secret() -> None:
    """The repr and text of a token show no secret."""
    shown = repr(token()) + str(token())
    assert "canary" not in shown
    assert KEY_ID in shown


@each_row("region", [..., None, "", 7, "eu.central", "-x", "a/b", "x" * 64])
def test_invalid_region(region: object) -> None:
    """An invalid region in the file is ignored."""
    assert token(signInRegion=region).region is None


# How each field is checked. tests/core/test_validation.py has all invalid texts.
INVALID: list[tuple[object, str]] = [
    (..., "is missing"),
    (["canary"], "is not text but list"),
    ("canary\x00", "contains the control character U+0000"),
]


@pytest.mark.fault("U32")
@each_row("field", ["clientId", "refreshToken", "dpopKey"])
@each_row("value, reason", [*INVALID, ("canary" * 10_000, "has 60000 characters")])
def test_invalid_field_is_rejected(field: str, value: object, reason: str) -> None:
    """The error for an invalid field names it, and does not show its value."""
    if (field, value) == ("dpopKey", "canary\x00"):
        value, reason = "", "is blank"  # a key may have line breaks, and is checked where it is parsed
    message = str(rejected(parse_token, document(**{field: value}), "login"))
    assert message.startswith(f"{field} {reason}")
    assert "canary" not in message


@each_row("field", ["accessKeyId", "secretAccessKey", "sessionToken", "accountId"])
@each_row("value, reason", INVALID)
def test_invalid_field_of_the_access_token_is_rejected(field: str, value: object, reason: str) -> None:
    """The error for an invalid field of the access token names its path."""
    message = str(rejected(parse_token, document(accessToken=access_token(**{field: value})), "login"))
    assert message.startswith(f"accessToken.{field} {reason}")
    assert "canary" not in message


@each_row(
    "value, reason",
    [
        (..., "is missing"),
        (1704164645, "is not text but int"),
        ("canary", "is not a time such as"),
        ("2024-02-30T00:00:00Z", "is not an existing time"),
        ("Invalid Date", "is not a time such as"),
    ],
)
def test_invalid_expiration(value: object, reason: str) -> None:
    """A token without a valid expiration is rejected."""
    message = str(rejected(parse_token, document(accessToken=access_token(expiresAt=value)), "login"))
    assert message.startswith(f"accessToken.expiresAt {reason}")


@each_row(
    "value, reason", [(..., "is missing"), (None, "is missing"), ("canary", "is not an object"), ([], "is not an")]
)
def test_invalid_access_token(value: object, reason: str) -> None:
    """The access token must be an object."""
    message = str(rejected(parse_token, document(accessToken=value), "login"))
    assert message.startswith(f"accessToken {reason}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*access_token(), *document(), "expiresIn"]), inner, max_size=8)
        ),
    )
)
def test_any_document_is_parsed_or_rejected(value: object) -> None:
    """Any file and response results in a value or in the expected error."""
    fields = value if isinstance(value, dict) else {"accessToken": value}
    assert isinstance(outcome(parse_token, fields, "login"), LoginToken | InvalidValueError)
    assert isinstance(outcome(parse_token, {**document(), **fields}, "login"), LoginToken | InvalidValueError)
    response = answer(json.dumps({**json.loads(refresh_response().body), **fields}).encode())
    assert isinstance(outcome(parse_refresh_response, response, token(), START, "login"), dict | MalformedResponseError)
    parse_error_response(response._replace(status=400), ())
    is_terminal(response._replace(status=400), parse_error_response(response._replace(status=400), ()))


def test_refresh_body() -> None:
    """The request has the three fields of the operation, in the order of JavaScript."""
    assert list(json.loads(refresh_body(token())).items()) == [
        ("clientId", CLIENT),
        ("grantType", "refresh_token"),
        ("refreshToken", REFRESH_TOKEN),
    ]


def test_refresh_response() -> None:
    """Credentials, expiration and refresh token change; the account and unknown fields stay."""
    found = changes(refresh_response(expiresIn=600), accessToken=access_token(other={"a": 1}))
    assert found == {
        "accessToken": access_token(accessKeyId="AKIDNEW", expiresAt="2024-01-02T03:14:05.000Z", other={"a": 1}),
        "refreshToken": NEW_TOKEN,
    }
    assert isinstance(parse_token({**document(), **found}, "login"), LoginToken)


def test_expiration_format() -> None:
    """The expiration is written as JavaScript writes it, rounded down to milliseconds."""
    found = parse_refresh_response(refresh_response(expiresIn=600), token(), START + 0.6789, "login")
    assert found["accessToken"]["expiresAt"] == "2024-01-02T03:14:05.678Z"


@each_row(
    "seconds, lifetime",
    [(..., 900), (None, 900), (1, 1), (899, 899), (900, 900), (901, 900), (10**30, 900), (1e300, 900)],
)
def test_lifetime_is_15_minutes_by_default_and_at_most(seconds: object, lifetime: float) -> None:
    """The lifetime is 15 minutes by default and at most."""
    found = parse_token({**document(), **changes(refresh_response(expiresIn=seconds))}, "login")
    assert found.expires_at == START + lifetime


@each_row("seconds", [0, -1, "900", "canary", True, [900], {}])
def test_invalid_lifetime(seconds: object) -> None:
    """A lifetime that is not a number above 0 is an error that names the field."""
    error = error_of(
        parse_refresh_response,
        refresh_response(expiresIn=seconds),
        token(),
        START,
        "login",
        kind=MalformedResponseError,
    )
    assert (error.field, error.source, error.status) == ("expiresIn", "login", 200)
    assert_no_secret(error, REFRESH_TOKEN, "canary")


@each_row("value, reason", INVALID)
@each_row("field", ["accessKeyId", "secretAccessKey", "sessionToken", "refreshToken"])
def test_invalid_refresh_response(field: str, value: object, reason: str) -> None:
    """The error for an invalid field of the response names it, and shows no secret."""
    if field == "refreshToken":
        path, response = field, refresh_response(refreshToken=value)
    else:
        path, response = f"accessToken.{field}", refresh_response(accessToken=access_token(**{field: value}))
    error = error_of(parse_refresh_response, response, token(), START, "login", kind=MalformedResponseError)
    assert error.field == path
    assert error.message.startswith(f"{path} in the response {reason}")
    assert_no_secret(error, REFRESH_TOKEN, NEW_TOKEN, "canary")


@each_row("body", [b"", b"{", b"[]", b"null", b"<html>canary</html>", b"\xff", b'{"accessToken":"canary"}'])
def test_invalid_body(body: bytes) -> None:
    """A body that is not a JSON object with an access token is an error."""
    error = error_of(parse_refresh_response, answer(body), token(), START, "login", kind=MalformedResponseError)
    assert_no_secret(error, "canary")


@pytest.mark.fault("U32")
@each_row("name", list(HINTS))
def test_known_error_is_terminal_and_in_the_message(name: str) -> None:
    """A known value of the field "error" is a part of the message, and is terminal."""
    error = parse_error_response(denied(name), ())
    assert error == ErrorResponse(400, "AccessDeniedException", f"{name}: No.")
    assert oauth_error(denied(name)) == name
    assert is_terminal(denied(name), error)


def test_error_without_code() -> None:
    """Without a code the field "error" is the code, and is not repeated in the message."""
    assert parse_error_response(denied("TOKEN_EXPIRED", kind=""), ()) == (400, "TOKEN_EXPIRED", "No.")


@each_row(
    "response, expected",
    [
        (denied("OTHER", 400), True),
        (denied(None, 403), True),
        (denied("x", 400, "ValidationException"), True),
        (denied("invalid_grant", 401, ""), True),
        (denied("TOKEN_EXPIRED", 401, ""), True),
        (denied("rate_exceeded", 429, "TooManyRequestsError"), False),
        (denied("server_error", 500, "InternalServerException"), False),
        (denied("TOKEN_EXPIRED", 503, ""), False),
        (answer(b"<html>Forbidden</html>", 403), False),
        (answer(b"", 400), False),
        (answer({"message": "Not Found"}, 404), False),
    ],
)
def test_terminal_errors(response: Response, expected: bool) -> None:
    """Only an error about the token is terminal, not a server error or a response of a proxy."""
    assert is_terminal(response, parse_error_response(response, ())) is expected


def test_error_shows_no_secret() -> None:
    """A secret in the message or in the code is not shown."""
    response = denied(REFRESH_TOKEN, kind=REFRESH_TOKEN, message=f"bad {REFRESH_TOKEN}")
    error = parse_error_response(response, token().secrets)
    assert error == (400, None, "bad ...")
    assert oauth_error(response) is None
