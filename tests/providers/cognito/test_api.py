"""Requests to Cognito, and its responses, which are parsed strictly."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError
from anycreds._providers.cognito.api import (
    HINTS,
    get_credentials_body,
    get_id_body,
    parse_credentials,
    parse_identity_id,
    request_headers,
)
from anycreds._wire.service_errors import parse_json_error, service_error
from support.errors import outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, answer, assert_no_secret
from support.rows import each_row

SOURCE = "Cognito"
POOL = "eu-west-1:0a1b2c3d-0000-4000-8000-00000000pool"
IDENTITY = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000001"
OTHER = "eu-west-1:0a1b2c3d-0000-4000-8000-000000000002"


def document(**changes: object) -> dict[str, Any]:
    """Return the body of a response to GetCredentialsForIdentity; ``...`` omits a field."""
    keys = {
        "AccessKeyId": KEY_ID,
        "SecretKey": SECRET_KEY,
        "SessionToken": SESSION_TOKEN,
        "Expiration": START + 3600,
    }
    identity_id = changes.pop("IdentityId", IDENTITY)
    inner = {name: value for name, value in {**keys, **changes}.items() if value is not ...}
    return {"Credentials": inner} if identity_id is ... else {"IdentityId": identity_id, "Credentials": inner}


def credentials_in(body: object) -> Credentials:
    """Return the credentials in a valid response."""
    found = outcome(parse_credentials, answer(body), SOURCE, OTHER)
    assert isinstance(found, Credentials), found
    return found


def malformed(body: object, **headers: Any) -> MalformedResponseError:
    """Return the error for an invalid response."""
    error = outcome(parse_credentials, answer(body, **headers), SOURCE, OTHER)
    assert isinstance(error, MalformedResponseError)
    assert (error.source, error.status) == (SOURCE, 200)
    assert_no_secret(error)
    return error


def test_operation_is_in_a_header() -> None:
    """The operation is in a header, as in AWS JSON 1.1."""
    assert request_headers("GetId") == {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": "AWSCognitoIdentityService.GetId",
    }
    target = request_headers("GetCredentialsForIdentity")["x-amz-target"]
    assert target == "AWSCognitoIdentityService.GetCredentialsForIdentity"


def test_request_body_omits_unset_options() -> None:
    """Fields have a fixed order; options that are not set are omitted, but an empty mapping of logins is not."""
    assert get_id_body(POOL, None, None) == f'{{"IdentityPoolId":"{POOL}"}}'.encode()
    assert get_id_body(POOL, "012345678901", {"a": "b"}) == (
        f'{{"IdentityPoolId":"{POOL}","AccountId":"012345678901","Logins":{{"a":"b"}}}}'.encode()
    )
    assert get_credentials_body(IDENTITY, None, None) == f'{{"IdentityId":"{IDENTITY}"}}'.encode()
    assert get_credentials_body(IDENTITY, {}, "arn") == (
        f'{{"IdentityId":"{IDENTITY}","Logins":{{}},"CustomRoleArn":"arn"}}'.encode()
    )


@given(st.text(), st.text())
def test_any_text_can_be_sent(name: str, token: str) -> None:
    """Any text of a login results in a JSON body that contains it."""
    assert json.loads(get_id_body(token, None, {name: token})) == {"IdentityPoolId": token, "Logins": {name: token}}


def test_identity_in_the_response_is_returned() -> None:
    """The identity in a response to GetId is returned, and unknown fields are ignored."""
    assert parse_identity_id(answer({"IdentityId": IDENTITY, "x": 1}), SOURCE) == IDENTITY


@each_row(
    "body, text",
    [
        ({}, "missing"),
        ({"IdentityId": None}, "missing"),
        ({"IdentityId": ""}, "blank"),
        ({"IdentityId": 1}, "int"),
        ({"IdentityId": [IDENTITY]}, "list"),
        ({"IdentityId": "x\n"}, "U+000A"),
        (b'{"IdentityId": "a", "IdentityId": "b"}', "twice"),
    ],
)
def test_invalid_identity(body: object, text: str) -> None:
    """An identity that is not one text without control characters is an error."""
    error = outcome(parse_identity_id, answer(body), SOURCE)
    assert isinstance(error, MalformedResponseError)
    assert (error.field, error.source) == ("IdentityId", SOURCE)
    assert text in str(error)


def test_credentials_have_all_fields_of_the_response() -> None:
    """The credentials have all fields of the response, and the identity."""
    assert credentials_in(document()) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC),
        identity_id=IDENTITY,
        source=SOURCE,
    )


@each_row("absent", [..., None])
def test_response_without_identity(absent: object) -> None:
    """Without an identity in the response, it is that of the request."""
    assert credentials_in(document(IdentityId=absent)).identity_id == OTHER


@pytest.mark.fault("U22")
@each_row(
    "number, moment",
    [
        (1704168245, datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC)),
        (1704168245.0, datetime(2024, 1, 2, 4, 4, 5, tzinfo=UTC)),
        (1704168245.25, datetime(2024, 1, 2, 4, 4, 5, 250_000, tzinfo=UTC)),
        (1, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (253_402_300_799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_expiration_is_in_seconds_since_1970(number: float, moment: datetime) -> None:
    """The expiration is a number of seconds since 1970, whole or not."""
    assert credentials_in(document(Expiration=number)).expiration == moment


@pytest.mark.fault("U22")
@each_row(
    "value",
    [
        ...,
        None,
        True,
        False,
        "",
        "1704168245",
        "2024-01-02T04:04:05Z",
        [],
        {},
        0,
        -0.0,
        -1,
        -1704168245,
        253_402_300_800,
        1704168245000,
        1e300,
        10**400,
    ],
)
def test_invalid_expiration(value: object) -> None:
    """An expiration that is not a number, or outside the calendar, is an error."""
    assert malformed(document(Expiration=value)).field == "Expiration"


@pytest.mark.fault("U22")
@each_row("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000])
def test_infinite_expiration(number: bytes) -> None:
    """An infinite number, or one that JSON does not have, is an error."""
    body = json.dumps(document()).encode().replace(str(START + 3600).encode(), number)
    assert number in body
    malformed(body)


def test_expiration_at_the_end_of_the_calendar() -> None:
    """A time just before the year 10,000 results in credentials or in an error."""
    found = outcome(parse_credentials, answer(document(Expiration=253_402_300_799.9999999)), SOURCE, OTHER)
    assert isinstance(found, Credentials | MalformedResponseError)


@pytest.mark.fault("U19")
@each_row("field", ["AccessKeyId", "SecretKey", "SessionToken"])
def test_invalid_key_is_malformed(field: str) -> None:
    """Key ID, secret key and session token are required; the error names the field, and does not show its value."""
    for value in (..., [SECRET_KEY], f"{SECRET_KEY}\n"):
        error = malformed(document(**{field: value}))
        assert error.field == field
        assert field in str(error)


@each_row("value", [1, "", "x\x00", [IDENTITY]])
def test_credentials_with_an_invalid_identity(value: object) -> None:
    """An invalid identity beside credentials is an error."""
    assert malformed(document(IdentityId=value)).field == "IdentityId"


@pytest.mark.fault("U16")
@each_row("field", ["AccessKeyId", "SecretKey", "SessionToken", "Expiration"])
def test_duplicate_field(field: str) -> None:
    """A field that appears twice in the inner object is an error."""
    text = json.dumps(document())
    assert text.endswith("}}")
    error = malformed(f'{text[:-2]}, "{field}": "other"}}}}'.encode())
    assert error.field == field
    assert "twice" in str(error)


@pytest.mark.fault("U16")
@pytest.mark.parametrize("field", ["Credentials", "IdentityId"])
def test_duplicate_outer_field(field: str) -> None:
    """A field that appears twice in the outer object is an error."""
    error = malformed(f'{json.dumps(document())[:-1]}, "{field}": null}}'.encode())
    assert error.field == field


@each_row("value", [..., None, [], "x", 1, True])
def test_invalid_credentials_object(value: object) -> None:
    """The field Credentials must be an object."""
    body = {"IdentityId": IDENTITY} if value is ... else {"Credentials": value}
    assert malformed(body).field == "Credentials"


@each_row("body", [b"", b"null", b"[]", b"{", b"<html>", b"\xff", b"[" * 5000])
def test_invalid_body_is_malformed_for_both_operations(body: bytes) -> None:
    """A body that is not one JSON object is an error for both operations."""
    malformed(body)
    assert isinstance(outcome(parse_identity_id, answer(body), SOURCE), MalformedResponseError)


@pytest.mark.fault("U12")
def test_compressed_response() -> None:
    """A compressed response is an error."""
    assert "compressed" in str(malformed(document(), content_encoding="gzip"))


@pytest.mark.fault("U33")
@each_row("code", sorted(HINTS))
def test_every_documented_code_has_a_hint(code: str) -> None:
    """Every error code that AWS documents for the two operations has a hint."""
    response = answer({"__type": f"com.amazonaws.cognito.identity#{code}", "message": "no"}, 400)
    error = service_error(response, parse_json_error(response), SOURCE, "GetId", HINTS)
    assert (error.code, error.hint) == (code, HINTS[code])
    assert 30 < len(HINTS[code]) < 250


@given(st.binary(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_response(body: object) -> None:
    """Any response results in a value or in ``MalformedResponseError``."""
    content = body if isinstance(body, bytes) else {"IdentityId": body, "Credentials": document(SessionToken=body)}
    assert isinstance(outcome(parse_credentials, answer(content), SOURCE, OTHER), Credentials | MalformedResponseError)
    assert isinstance(outcome(parse_identity_id, answer(content), SOURCE), str | MalformedResponseError)
