"""The cache file of ``aws login``, and its refresh on the wire: read without trust, and errors name the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
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
from support.login_fixtures import CLIENT, NEW_TOKEN, PEM, REFRESH_TOKEN, access_token, denied, document, renewal


def token(**changes: object) -> LoginToken:
    """Read a document that is right."""
    found = parse_token(document(**changes), "login")
    assert isinstance(found, LoginToken), found
    return found


def changes(response: Response, **old: object) -> Mapping[str, Any]:
    """Read an answer that is right."""
    found = parse_refresh_response(response, token(**old), START, "login")
    assert not isinstance(found, MalformedResponseError), found
    return found


@pytest.mark.parametrize(
    ("session", "name"),
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
def test_file_names(session: str, name: str) -> None:
    """The name is the SHA-256 of the session as UTF-8, without blanks around it, as the other SDKs have it."""
    assert file_name(session) == name


def test_file_name_of_botocore() -> None:
    """The name that botocore was seen to use for a role's session is ours, too."""
    name = file_name("arn:aws:sts::012345678910:assumed-role/Admin/admin")
    assert name.startswith("4b0ba8f9")
    assert name.endswith("e255.json")


def test_reads_a_whole_document() -> None:
    """All that is needed is read; the credentials have their end, their account and their source."""
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


def test_a_token_cannot_be_printed() -> None:
    """Neither repr nor text of a token shows a secret."""
    shown = repr(token()) + str(token())
    assert "canary" not in shown
    assert KEY_ID in shown


@pytest.mark.parametrize("region", [..., None, "", 7, "eu.central", "-x", "a/b", "x" * 64])
def test_a_region_that_cannot_be_one_does_not_count(region: object) -> None:
    """The region is used only if it is there and can be one; it never reaches a host name otherwise."""
    assert token(signInRegion=region).region is None


WRONG: list[tuple[object, str]] = [
    (..., "is missing"),
    (None, "is missing"),
    ("", "is blank"),
    ("  ", "is blank"),
    (7, "is not text but int"),
    (["canary"], "is not text but list"),
    ("canary" * 10_000, "has 60000 characters"),
]


@pytest.mark.parametrize(("value", "told"), WRONG)
@pytest.mark.parametrize("field", ["clientId", "refreshToken", "dpopKey"])
def test_wrong_fields(field: str, value: object, told: str) -> None:
    """A field that is missing or wrong is named, with what is wrong, and without its value."""
    problem = str(rejected(parse_token, document(**{field: value}), "login"))
    assert problem.startswith(f"{field} {told}")
    assert "canary" not in problem


@pytest.mark.parametrize(("value", "told"), [*WRONG, ("canary\n", "contains the control character U+000A")])
@pytest.mark.parametrize("field", ["accessKeyId", "secretAccessKey", "sessionToken", "accountId"])
def test_wrong_inner_fields(field: str, value: object, told: str) -> None:
    """A field of the access token is named with its path."""
    problem = str(rejected(parse_token, document(accessToken=access_token(**{field: value})), "login"))
    assert problem.startswith(f"accessToken.{field} {told}")
    assert "canary" not in problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (..., "is missing"),
        (1704164645, "is not text but int"),
        ("canary", "is not a time such as"),
        ("2024-02-30T00:00:00Z", "is not an existing time"),
        ("Invalid Date", "is not a time such as"),
    ],
)
def test_wrong_ends(value: object, told: str) -> None:
    """Credentials whose end cannot be read are refused: in other SDKs they are never renewed."""
    problem = str(rejected(parse_token, document(accessToken=access_token(expiresAt=value)), "login"))
    assert problem.startswith(f"accessToken.expiresAt {told}")


@pytest.mark.parametrize(
    ("value", "told"), [(..., "is missing"), (None, "is missing"), ("canary", "is not an object"), ([], "is not an")]
)
def test_wrong_access_tokens(value: object, told: str) -> None:
    """The access token has to be an object."""
    problem = str(rejected(parse_token, document(accessToken=value), "login"))
    assert problem.startswith(f"accessToken {told}")


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*access_token(), *document(), "expiresIn"]), inner, max_size=8)
        ),
    )
)
def test_documents_of_any_shape_raise_nothing(value: object) -> None:
    """Whatever a file or an answer holds, it is read or refused."""
    fields = value if isinstance(value, dict) else {"accessToken": value}
    assert isinstance(outcome(parse_token, fields, "login"), LoginToken | InvalidValueError)
    assert isinstance(outcome(parse_token, {**document(), **fields}, "login"), LoginToken | InvalidValueError)
    response = answer(json.dumps({**json.loads(renewal().body), **fields}).encode())
    assert isinstance(outcome(parse_refresh_response, response, token(), START, "login"), dict | MalformedResponseError)
    parse_error_response(response._replace(status=400), ())
    is_terminal(response._replace(status=400), parse_error_response(response._replace(status=400), ()))


def test_body_of_the_request() -> None:
    """The request has the three fields of the operation, in JavaScript's order, and nothing else."""
    assert list(json.loads(refresh_body(token())).items()) == [
        ("clientId", CLIENT),
        ("grantType", "refresh_token"),
        ("refreshToken", REFRESH_TOKEN),
    ]


def test_what_an_answer_changes() -> None:
    """Keys, end and refresh token change; the account and what is not understood in the access token stay."""
    found = changes(renewal(expiresIn=600), accessToken=access_token(other={"a": 1}))
    assert found == {
        "accessToken": access_token(accessKeyId="AKIDNEW", expiresAt="2024-01-02T03:14:05.000Z", other={"a": 1}),
        "refreshToken": NEW_TOKEN,
    }
    assert isinstance(parse_token({**document(), **found}, "login"), LoginToken)


def test_the_end_has_milliseconds() -> None:
    """The end is written as JavaScript writes it, cut off, so that it is never too late."""
    found = parse_refresh_response(renewal(expiresIn=600), token(), START + 0.6789, "login")
    assert found["accessToken"]["expiresAt"] == "2024-01-02T03:14:05.678Z"


@pytest.mark.parametrize(
    ("seconds", "lasts"),
    [(..., 900), (None, 900), (1, 1), (899, 899), (900, 900), (901, 900), (10**30, 900), (1e300, 900)],
)
def test_lifetimes(seconds: object, lasts: float) -> None:
    """Without a lifetime it is 15 minutes, and never more: to refuse too long a one would lose the refresh token."""
    end = parse_token({**document(), **changes(renewal(expiresIn=seconds))}, "login")
    assert isinstance(end, LoginToken)
    assert end.expires_at == START + lasts


@pytest.mark.parametrize("seconds", [0, -1, "900", "canary", True, [900], {}])
def test_wrong_lifetimes(seconds: object) -> None:
    """A lifetime that is no number above 0 is refused by name."""
    error = error_of(
        parse_refresh_response, renewal(expiresIn=seconds), token(), START, "login", kind=MalformedResponseError
    )
    assert (error.field, error.source, error.status) == ("expiresIn", "login", 200)
    assert_no_secret(error, REFRESH_TOKEN, "canary")


@pytest.mark.parametrize(("value", "told"), [*WRONG, ("canary\x00", "contains the control character U+0000")])
@pytest.mark.parametrize("field", ["accessKeyId", "secretAccessKey", "sessionToken", "refreshToken"])
def test_wrong_answers(field: str, value: object, told: str) -> None:
    """A field of the answer that is missing or wrong is named, and no secret is."""
    if field == "refreshToken":
        path, response = field, renewal(refreshToken=value)
    else:
        path, response = f"accessToken.{field}", renewal(accessToken=access_token(**{field: value}))
    error = error_of(parse_refresh_response, response, token(), START, "login", kind=MalformedResponseError)
    assert error.field == path
    assert error.message.startswith(f"{path} in the response {told}")
    assert_no_secret(error, REFRESH_TOKEN, NEW_TOKEN, "canary")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"<html>canary</html>", b"\xff", b'{"accessToken":"canary"}']
)
def test_answers_that_are_none(body: bytes) -> None:
    """A body that is no JSON object with an access token is refused."""
    error = error_of(parse_refresh_response, answer(body), token(), START, "login", kind=MalformedResponseError)
    assert_no_secret(error, "canary")


@pytest.mark.parametrize("word", list(HINTS))
def test_refusals_with_a_word(word: str) -> None:
    """What the service says in its field "error" is a part of the message, and decides on the hint."""
    told = parse_error_response(denied(word), ())
    assert told == ErrorResponse(400, "AccessDeniedException", f"{word}: No.")
    assert oauth_error(denied(word)) == word
    assert is_terminal(denied(word), told)


def test_a_word_alone() -> None:
    """Without a kind the word is the code, and is not said twice."""
    assert parse_error_response(denied("TOKEN_EXPIRED", kind=""), ()) == (400, "TOKEN_EXPIRED", "No.")


@pytest.mark.parametrize(
    ("response", "expected"),
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
def test_what_needs_a_person(response: Response, expected: bool) -> None:
    """Only the service's own word against this token needs a new sign-in: not its troubles, nor what a proxy says."""
    assert is_terminal(response, parse_error_response(response, ())) is expected


def test_refusals_show_no_secret() -> None:
    """A service that repeats what was sent, or puts it where its codes are, does not get it into an error."""
    response = denied(REFRESH_TOKEN, kind=REFRESH_TOKEN, message=f"bad {REFRESH_TOKEN}")
    told = parse_error_response(response, token().secrets)
    assert told == (400, None, "bad ...")
    assert oauth_error(response) is None
