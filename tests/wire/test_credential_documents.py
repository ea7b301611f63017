"""Documents become complete credentials or an error that names the field at fault, and never shows a secret."""

from __future__ import annotations

import gc
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import CredentialsError, MalformedResponseError, ProviderTimeoutError, RetrievalError
from anycreds._core.http import BODY_LIMIT, HOST_NOT_FOUND, Response, TransportFailure
from anycreds._core.validation import InvalidValueError
from anycreds._wire.credential_documents import parse_credentials
from anycreds._wire.json import parse_object
from anycreds._wire.service_errors import http_error, transport_error
from anycreds._wire.timestamps import parse_time
from support.errors import error_of, outcome, rejected
from support.fake_io import (
    AUTHORIZATION,
    KEY_ID,
    SECRET_KEY,
    SECRETS,
    SESSION_TOKEN,
    answer,
    assert_no_secret,
    document,
)
from support.rows import each_row

SOURCE = "a source"


def read(body: object, **options: Any) -> Credentials | CredentialsError:
    """Return the credentials in a response, or the error."""
    found: Credentials | CredentialsError = outcome(parse_credentials, answer(body), SOURCE, SECRETS, **options)
    return found


def malformed(body: object, **options: Any) -> MalformedResponseError:
    """Return the error for a response that must be rejected, which contains no secret."""
    error = read(body, **options)
    assert isinstance(error, MalformedResponseError)
    assert error.source == SOURCE
    assert_no_secret(error)
    return error


def test_document_with_all_fields_is_read() -> None:
    """A document with all fields becomes credentials with all of them."""
    assert read(document(AccountId="012345678901", LastUpdated="x", Type="AWS-HMAC")) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        source=SOURCE,
    )


@pytest.mark.parametrize("code", [..., "Success"])
def test_code_is_optional(code: object) -> None:
    """The ECS agent sends no Code, and EC2 metadata sends Success."""
    assert isinstance(read(document(Code=code)), Credentials)


def test_permanent_keys_where_they_are_allowed() -> None:
    """Access keys of a user have no Token and Expiration; only some sources may return them."""
    body = document(Token=..., Expiration=...)
    lasting = read(body, may_be_permanent=True)
    assert isinstance(lasting, Credentials)
    assert (lasting.session_token, lasting.expiration) == (None, None)
    assert malformed(body).field == "Token"
    assert malformed(document(Expiration=...)).field == "Expiration"


def test_null_account_is_no_account() -> None:
    """A null account id is the same as none."""
    found = read(document(AccountId=None))
    assert isinstance(found, Credentials)
    assert found.account_id is None


def test_number_as_account_id() -> None:
    """An account id that is a number gets back its leading zeros."""
    assert parse_credentials(answer(document(AccountId=12345678901)), SOURCE).account_id == "012345678901"


@each_row("token", [..., "", None])
@each_row("lasting", [False, True])
def test_token_with_the_name_of_credential_process(token: object, lasting: bool) -> None:
    """Without ``Token``, the session token may be called ``SessionToken``."""
    body = document(Token=token, SessionToken=SESSION_TOKEN)
    assert parse_credentials(answer(body), SOURCE, may_be_permanent=lasting).session_token == SESSION_TOKEN


def test_token_beats_session_token() -> None:
    """``Token`` is used if both names are present."""
    body = document(SessionToken="another")
    assert parse_credentials(answer(body), SOURCE).session_token == SESSION_TOKEN


def test_null_expiration_of_lasting_keys_is_none() -> None:
    """A null expiration is none where credentials may be without one."""
    assert parse_credentials(answer(document(Expiration=None)), SOURCE, may_be_permanent=True).expiration is None


@pytest.mark.fault("U19")
@each_row(
    "field, lasting",
    [
        *((name, False) for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration")),
        *((name, True) for name in ("AccessKeyId", "SecretAccessKey", "Token")),
    ],
)
def test_rejects_null(field: str, lasting: bool) -> None:
    """Null is rejected where a value is needed."""
    assert malformed(document(**{field: None}), may_be_permanent=lasting).field == field


@pytest.mark.fault("U18", "U19")
@each_row("lasting", [False, True])
@each_row("field", ["AccessKeyId", "SecretAccessKey", "Token", "Expiration", "AccountId"])
def test_invalid_text_is_rejected_by_field(field: str, lasting: bool) -> None:
    """Each field is checked, and its invalid value is never shown."""
    values: list[object] = [f"{SECRET_KEY}\x00", f"{SECRET_KEY}\r\nX: y", f"{SECRET_KEY}\n", " ", "\ud800"]
    values += [{"a": SECRET_KEY}, [SECRET_KEY], True, 1.5, SECRET_KEY * 1000]
    for value in values:
        error = malformed(document(**{field: value}), may_be_permanent=lasting)
        assert error.field == field, value
        assert field in str(error)


def test_empty_token_of_lasting_keys_is_none() -> None:
    """Endpoints for SDKs that need the field send it empty with the access keys of a user."""
    credentials = parse_credentials(answer(document(Token="")), "here", may_be_permanent=True)
    assert credentials.session_token is None


@pytest.mark.fault("U19", "U20")
@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey"])
def test_rejects_missing_keys(field: str) -> None:
    """Both parts of the access key are needed."""
    assert malformed(document(**{field: ...}), may_be_permanent=True).field == field


@pytest.mark.fault("U16")
@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "Token", "Expiration", "AccountId", "Code"])
def test_rejects_a_field_that_appears_twice(field: str) -> None:
    """Parsers differ in which of two equal fields they use, so that both are rejected."""
    text = json.dumps(document(AccountId="1"))[:-1] + f', "{field}": "other"}}'
    error = malformed(text.encode())
    assert error.field == field
    assert f"{field} in the response appears twice" in str(error)


@pytest.mark.fault("U16")
@each_row("more", ['"x": 1, "x": 2', '"y": {"Token": 1, "Token": 2}', '"y": [{"z": 1, "z": 2}]'])
def test_any_key_that_appears_twice_is_rejected(more: str) -> None:
    """A key that appears twice is rejected at any depth, also if it is not read."""
    assert "appears twice" in str(malformed(f"{json.dumps(document())[:-1]}, {more}}}".encode()))


def test_a_duplicate_key_that_may_be_a_secret_is_not_repeated() -> None:
    """The error names a duplicate key only if it looks like the name of a field."""
    key = f"{SECRET_KEY}0"
    error = malformed(json.dumps({key: 1})[:-1].encode() + f', "{key}": 2}}'.encode())
    assert "a key in the response appears twice" in str(error)


@pytest.mark.fault("S16")
def test_duplicate_keys_are_found_in_linear_time() -> None:
    """A response with as many keys as fit into it, one of them twice, is rejected at once."""
    keys = ",".join(f'"{number}":1' for number in range(7000))
    fastest = float("inf")
    for _ in range(3):
        start = time.thread_time()
        rejected(parse_object, f'{{{keys},"6999":2}}')
        fastest = min(fastest, time.thread_time() - start)
    assert fastest < 0.02  # measured: 0.004; with a quadratic search: 2 seconds


@pytest.mark.fault("U14", "U15", "U17", "U18", "S16")
@each_row(
    "body, said",
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"null", "not an object"),
        (b"1", "not an object"),
        (b'"x"', "not an object"),
        (b"[]", "not an object"),
        (b"true", "not an object"),
        (b"{", "is not JSON"),
        (b"{}}", "is not JSON"),
        (b"{} {}", "is not JSON"),
        (b'{"a": NaN}', "is not JSON"),
        (b'{"a": Infinity}', "is not JSON"),
        (b'{"a": -Infinity}', "is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 1,}', "is not JSON"),
        (b'{"a": "\x01"}', "is not JSON"),
        (b"Bearer", "is not JSON"),
        (b"[" * 200 + b"]" * 200, "not an object"),
        (b"[" * 201 + b"]" * 201, "more than 200 objects and arrays"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "more than 200 objects and arrays"),
        (b"[" * BODY_LIMIT, "more than 200 objects and arrays"),
        (b'{"a":' * 13000, "more than 200 objects and arrays"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "byte order mark"),
        ("{}".encode("utf-16-le"), "is not JSON"),
        ("{}".encode("utf-32-be"), "is not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xc0\x80"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b"<html><title>Sign in</title></html>", "captive portal"),
        (b"\r\n  <!DOCTYPE html>", "captive portal"),
    ],
)
def test_rejects_what_is_not_an_object(body: bytes, said: str) -> None:
    """A body that is not one JSON object in UTF-8 is rejected with the reason."""
    error = malformed(body)
    assert said in str(error)
    assert error.status == 200


@pytest.mark.fault("U12")
@each_row("coding", ["gzip", "br", "GZIP", "deflate, gzip", "zstd"])
def test_rejects_compressed_responses(coding: str) -> None:
    """A compressed body is rejected: no request allows one, and it may be a decompression bomb."""
    response = Response(200, {"content-encoding": coding}, b"{}")
    error = error_of(parse_credentials, response, SOURCE, kind=MalformedResponseError)
    assert "compressed" in str(error)


@pytest.mark.fault("U14")
@each_row("headers", [{}, {"content-encoding": "identity"}, {"content-type": "text/html"}])
def test_content_type_is_only_advice(headers: dict[str, str]) -> None:
    """The content type in the headers does not matter."""
    response = Response(200, headers, json.dumps(document()).encode())
    assert parse_credentials(response, SOURCE).access_key_id == KEY_ID


@pytest.mark.fault("U20")
def test_an_error_with_status_200() -> None:
    """A Code other than Success is an error with this code and message; a trust problem has a hint."""
    body = {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role demo."}
    error = read(body)
    assert isinstance(error, RetrievalError)
    assert not isinstance(error, MalformedResponseError)
    assert error.code == "AssumeRoleUnauthorizedAccess"
    assert "EC2 cannot assume the role demo." in str(error)
    assert "trust policy" in str(error)


def test_an_error_with_status_200_takes_precedence_over_keys() -> None:
    """Keys in a document with an error code are neither used nor shown."""
    response = answer(document(Code="Failed", Message=f"{SECRET_KEY}{SESSION_TOKEN}"))
    error = error_of(parse_credentials, response, SOURCE, kind=RetrievalError)
    assert (error.code, error.hint) == ("Failed", None)
    assert_no_secret(error)


@each_row("code", [None, 0, 200, [], {}, True])
def test_code_of_another_type_is_malformed(code: object) -> None:
    """A Code of another type is malformed."""
    assert malformed(document(Code=code)).field == "Code"


def test_messages_are_trimmed_and_printable() -> None:
    """An untrusted text is shortened, and cannot break lines or control a terminal."""
    error = read({"Code": "C" * 1000 + "\n", "Message": "a\r\nb\x1b[31m\u202e\u2028c\x00" + "d" * 1000})
    assert isinstance(error, RetrievalError)
    assert error.code is None  # a longer text is not a code
    assert "a b [31m c d" in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 360


UTC_MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.fault("U22")
@each_row(
    "text, moment",
    [
        ("2024-01-02T03:04:05Z", UTC_MOMENT),
        ("2024-01-02T03:04:05z", UTC_MOMENT),
        ("2024-01-02t03:04:05Z", UTC_MOMENT),
        ("2024-01-02 03:04:05Z", UTC_MOMENT),
        ("2024-01-02T03:04:05", UTC_MOMENT),
        ("2024-01-02T03:04:05+00:00", UTC_MOMENT),
        ("2024-01-02T03:04:05-00:00", UTC_MOMENT),
        ("2024-01-02T05:34:05+02:30", UTC_MOMENT),
        ("2024-01-01T15:04:05-12:00", UTC_MOMENT),
        ("2024-01-03T03:03:05+23:59", UTC_MOMENT),
        ("2024-01-02T03:04:05.5Z", UTC_MOMENT.replace(microsecond=500_000)),
        ("2024-01-02T03:04:05.000001Z", UTC_MOMENT.replace(microsecond=1)),
        ("2024-01-02T03:04:05.123456789Z", UTC_MOMENT.replace(microsecond=123_456)),
        ("2024-01-02T03:04:05.999999999", UTC_MOMENT.replace(microsecond=999_999)),
        ("2024-01-02T03:04:05.12345678901234567890Z", UTC_MOMENT.replace(microsecond=123_456)),
        ("2024-01-02T03:04:05+0000", UTC_MOMENT),
        ("2024-01-02T05:34:05.5+0230", UTC_MOMENT.replace(microsecond=500_000)),
        ("2024-01-02T03:04Z", UTC_MOMENT.replace(second=0)),
        ("2024-01-02T03:04", UTC_MOMENT.replace(second=0)),
        ("2024-01-02T01:04-0200", UTC_MOMENT.replace(second=0)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_every_form_of_rfc_3339_is_read(text: str, moment: datetime) -> None:
    """Every form of RFC 3339 is read, and forms near it; a time without a zone is UTC."""
    found = parse_time(text)
    assert found == moment
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@pytest.mark.fault("U22")
@each_row(
    "value",
    [
        None,
        True,
        0,
        1704164645,
        1704164645.5,
        "1704164645",
        "",
        " ",
        "never",
        "2024-01-02",
        "03:04:05Z",
        "2024-01-02T03Z",
        "2024-01-02T03:04.5Z",
        "20240102T030405Z",
        "2024-01-02T0304Z",
        "2024-01-02T03:04:05+02",
        "2024-01-02T03:04:05Z ",
        " 2024-01-02T03:04:05Z",
        "2024-01-02T03:04:05Z\n",
        "2024-01-02T03:04:05UTC",
        "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05,5Z",
        "2024-01-02T03:04:05+24:00",
        "2024-01-02T03:04:05+02:60",
        "2024-01-02T03:04:05+99:59",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-02T24:00:00Z",
        "2024-01-02T03:60:00Z",
        "2024-01-02T03:04:61Z",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "-2024-01-02T03:04:05Z",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
        "\u0662\u0660\u0662\u0664-01-02T03:04:05Z",
        "\uff12\uff10\uff12\uff14-01-02T03:04:05Z",
        "2024\u201301-02T03:04:05Z",
        "Tue, 02 Jan 2024 03:04:05 GMT",
        ["2024-01-02T03:04:05Z"],
    ],
)
def test_rejects_invalid_timestamps(value: object) -> None:
    """A text that is not a timestamp, or a time that does not exist, is rejected."""
    rejected(parse_time, value)


@pytest.mark.fault("U22")
@each_row("text", ["soon", "2024-01-02", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60Z"])
def test_an_unreadable_expiration_is_an_error(text: str) -> None:
    """Credentials with an unreadable expiration are rejected."""
    assert malformed(document(Expiration=text), may_be_permanent=True).field == "Expiration"


@pytest.mark.fault("U22")
@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_times_survive_a_round_trip(moment: datetime) -> None:
    """The RFC 3339 text that Python writes is parsed as the same time."""
    whole_minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=whole_minutes)))
    found = outcome(parse_time, moment.isoformat())
    assert found == moment or (isinstance(found, InvalidValueError) and not 1 < moment.year < 9999)


@pytest.mark.fault("U22")
@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?[Zz]?"))
def test_any_text_is_a_time_or_rejected(text: str) -> None:
    """Any text is parsed, or ends in ``InvalidValueError``."""
    assert isinstance(outcome(parse_time, text), datetime | InvalidValueError)


@each_row("status", [400, 401, 403, 404, 405, 429, 500, 503, 201, 204, 418])
def test_error_answers_say_the_status(status: int) -> None:
    """The error for a status other than 200 names the request and the status."""
    error = http_error(answer(b"no JSON", status=status), SOURCE, "GET http://x")
    assert (error.status, error.code, error.source) == (status, None, SOURCE)
    assert str(error) == f"{SOURCE}: GET http://x failed with status {status}"


@each_row(
    "body",
    [
        {"Code": "AccessDenied", "Message": "Not you."},
        {"code": "AccessDenied", "message": "Not you.", "HTTPErrorCode": 403},
        {"__type": "AccessDenied", "message": "Not you."},
    ],
)
def test_error_answers_repeat_what_aws_says(body: object) -> None:
    """The code and message of every kind of AWS error document are in the error."""
    error = http_error(answer(body, status=403), SOURCE, "GET http://x")
    assert error.code == "AccessDenied"
    assert str(error).endswith("status 403 (AccessDenied: Not you.)")


@each_row("body", [b"", b"[]", b"<html>", b'{"Code": 1, "Message": []}', b"\xff", b"[" * 60000])
def test_error_answers_may_be_anything(body: bytes) -> None:
    """An unreadable body of an error response does not change the error."""
    error = http_error(answer(body, status=500), SOURCE, "GET http://x")
    assert str(error).endswith("status 500")


def test_error_answers_do_not_give_our_secrets_back() -> None:
    """A secret from the request that the server repeats is not in the error."""
    body = {"code": AUTHORIZATION, "message": f"bad token {AUTHORIZATION}!"}
    error = http_error(answer(body, status=401), SOURCE, "GET http://x", (AUTHORIZATION,))
    assert "bad token ...!" in str(error)
    assert_no_secret(error)


@pytest.mark.fault("U25")
@each_row("status", [301, 302, 303, 307, 308])
@each_row(
    "location, said",
    [
        ("https://evil.example/steal?token=secretquery", "a redirect to evil.example; redirects are not followed"),
        ("/elsewhere?secretquery", "a redirect; redirects are not followed"),
        ("https://user:secretquery@evil.example/", "a redirect; redirects are not followed"),
        ("\x00secretquery", "a redirect; redirects are not followed"),
        ("", "a redirect; redirects are not followed"),
    ],
)
def test_redirects_are_errors(status: int, location: str, said: str) -> None:
    """The error for a redirect names its host at most."""
    error = http_error(answer(status=status, location=location), SOURCE, "GET http://x")
    assert error.status == status
    assert said in str(error)
    assert "secretquery" not in str(error)


@each_row(
    "kind, error_type",
    [
        ("unreachable", RetrievalError),
        ("timeout", ProviderTimeoutError),
        ("broken", MalformedResponseError),
        ("too large", MalformedResponseError),
    ],
)
def test_failed_exchange_has_its_class_and_detail(kind: Any, error_type: type[RetrievalError]) -> None:
    """Every kind of failed exchange has its class and its detail."""
    error = transport_error(TransportFailure(kind, "some detail"), SOURCE, "GET http://x", "a hint")
    assert type(error) is error_type
    assert "GET http://x" in str(error)
    assert "some detail" in str(error)
    assert error.hint == "a hint"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(SECRETS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(["Code", "Message", "AccessKeyId", "SecretAccessKey", "Token", "Expiration", "AccountId"])
BODIES = st.one_of(
    st.binary(),
    st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(FIELDS, JSON | st.just("Success")).map(lambda value: json.dumps(document(**value)).encode()),
    st.tuples(st.dictionaries(FIELDS, JSON), st.integers(0, 300)).map(
        lambda both: json.dumps(document(**both[0])).encode()[: both[1]]
    ),
    st.tuples(
        st.sampled_from([b"[", b'{"a":', b'"', b"\\", b'"\\', b"9", b" ", b"<", b"[]"]), st.integers(0, 65536)
    ).map(lambda both: (both[0] * both[1])[:BODY_LIMIT]),
)


@pytest.mark.fault("U15", "S16")
@given(BODIES, st.booleans(), st.sampled_from([200, 302, 400, 500]))
def test_any_body_is_parsed_or_an_error(body: bytes, lasting: bool, status: int) -> None:
    """Any bytes become valid credentials or an error without a secret, within 50 ms."""
    gc.disable()  # a collection, of the objects of earlier tests too, may take as long
    try:
        start = time.thread_time()
        found = read(body, may_be_permanent=lasting)
        service_error = http_error(answer(body, status=status), SOURCE, "GET http://x", SECRETS)
        seconds = time.thread_time() - start
    finally:
        gc.enable()
    assert seconds < 0.1  # two readings
    assert_no_secret(service_error)
    if isinstance(found, Credentials):
        assert found.access_key_id.strip()
        assert found.secret_access_key.strip()
        assert lasting or (found.session_token and found.expiration)
    else:
        assert isinstance(found, RetrievalError)
        assert_no_secret(found)


@pytest.mark.fault("U26")
def test_unknown_host_hints_at_the_region() -> None:
    """If the host name of an endpoint has no address, the hint names the likely cause: a misspelt region."""
    failure = TransportFailure("unreachable", f"{HOST_NOT_FOUND} (Name or service not known)")
    error = transport_error(failure, SOURCE, "GetRole at https://sts.eu-wset-1.amazonaws.com", "another hint")
    assert "could not connect to the endpoint: unable to resolve the host name" in error.message
    assert error.hint is not None
    assert "check the spelling of the region" in error.hint
