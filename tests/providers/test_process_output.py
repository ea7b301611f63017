"""The output of a credential process: a whole set or an error that names the field; never an exception or a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anycreds._core.credentials import Credentials
from anycreds._core.errors import MalformedResponseError
from anycreds._core.http import BODY_LIMIT
from anycreds._providers.process_output import parse_credentials
from support.errors import outcome
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, assert_no_secret

SOURCE = "credential process"
KEYS = {"Version": 1, "AccessKeyId": KEY_ID, "SecretAccessKey": SECRET_KEY}
PROFILE_ACCOUNT = "999999999999"


def output(**changes: object) -> bytes:
    """Make an output with all that it can have; ``...`` leaves a field out."""
    full = {
        **KEYS,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T09:04:05Z",
        "CredentialScope": "us-east-2",
        "AccountId": "012345678901",
        **changes,
    }
    return json.dumps({name: value for name, value in full.items() if value is not ...}).encode()


def read(content: bytes) -> Credentials | MalformedResponseError:
    found: Credentials | MalformedResponseError
    found = outcome(parse_credentials, content, SOURCE, "the helper", PROFILE_ACCOUNT)
    return found


def good(content: bytes) -> Credentials:
    """Read an output that must be accepted."""
    found = read(content)
    assert isinstance(found, Credentials), found
    return found


def malformed(content: bytes) -> MalformedResponseError:
    """Read an output that must be refused, and look for secrets in what is said about it."""
    error = read(content)
    assert isinstance(error, MalformedResponseError)
    assert error.source == SOURCE
    assert error.hint is not None
    assert "of the helper" in error.message
    assert_no_secret(error)
    return error


def test_reads_a_whole_set() -> None:
    """An output with all fields becomes a set with all of them; what else it has does not count."""
    assert good(b"\r\n\t " + output(Other=[{}]) + b"\n") == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        account_id="012345678901",
        credential_scope="us-east-2",
        source=SOURCE,
    )


def test_reads_lasting_keys() -> None:
    """Without the optional fields the keys last, and the account is the profile's."""
    assert good(json.dumps(KEYS).encode()) == Credentials(KEY_ID, SECRET_KEY, account_id=PROFILE_ACCOUNT, source=SOURCE)
    lasting = outcome(parse_credentials, json.dumps(KEYS).encode(), SOURCE, "the helper")
    assert isinstance(lasting, Credentials)
    assert lasting.account_id is None


@pytest.mark.parametrize("absent", ["", None])
@pytest.mark.parametrize(
    ("field", "attribute", "value"),
    [
        ("SessionToken", "session_token", None),
        ("CredentialScope", "credential_scope", None),
        ("AccountId", "account_id", PROFILE_ACCOUNT),
    ],
)
def test_empty_is_absent(field: str, attribute: str, value: str | None, absent: object) -> None:
    """Helpers print an empty text or null for a token, a scope or an account that they do not have."""
    assert getattr(good(output(**{field: absent})), attribute) == value


@pytest.mark.parametrize("version", [b"1", b"1.0", b"1e0"])
def test_version_1(version: bytes) -> None:
    """The version is the number 1, however JSON writes it."""
    assert good(output(Version=7).replace(b"7", version, 1)).access_key_id == KEY_ID


@pytest.mark.parametrize("version", ["1", 2, 0, 1.5, True, None, [1], {"1": 1}, -1, 10**400, 1e300])
def test_refuses_other_versions(version: object) -> None:
    """A text, a truth value or another number is not the version 1."""
    error = malformed(output(Version=version))
    assert (error.field, error.message) == ("Version", "Version in the output of the helper is not the number 1")


@pytest.mark.parametrize("field", ["Version", "AccessKeyId", "SecretAccessKey"])
def test_refuses_missing(field: str) -> None:
    """Three fields there must be."""
    error = malformed(output(**{field: ...}))
    assert (error.field, error.message) == (field, f"{field} in the output of the helper is missing")


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "Expiration"])
def test_refuses_null(field: str) -> None:
    """Null is no key; nor is it an end, which would never come."""
    error = malformed(output(**{field: None}))
    assert (error.field, error.message) == (field, f"{field} in the output of the helper is null")


@pytest.mark.parametrize("value", [0, 17, 1.5, True, False, [], ["x"], {}, {"x": "y"}, " ", "a\nb", "\x00", "\ud800"])
@pytest.mark.parametrize(
    "field", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "CredentialScope", "AccountId"]
)
def test_refuses_what_is_no_text(field: str, value: object) -> None:
    """What is not text, is blank, or has control characters or half a character in it is refused, never converted."""
    assert malformed(output(**{field: value})).field == field


@pytest.mark.parametrize("field", ["AccessKeyId", "SecretAccessKey", "Expiration"])
def test_refuses_empty(field: str) -> None:
    """An empty text is no key and no end."""
    assert malformed(output(**{field: ""})).field == field


@pytest.mark.parametrize(
    "end", ["tomorrow", "2024-01-02", "2024-13-02T09:04:05Z", "1704186245000", "Tue, 02 Jan 2024 09:04:05 GMT"]
)
def test_refuses_unreadable_ends(end: str) -> None:
    """An end that cannot be read is an error, not keys that never end."""
    assert malformed(output(Expiration=end)).field == "Expiration"


@pytest.mark.parametrize(
    "end", ["2024-01-02T09:04:05Z", "2024-01-02T10:04:05+01:00", "2024-01-02T09:04:05.000000Z", "2024-01-02T09:04:05"]
)
def test_reads_ends(end: str) -> None:
    """RFC 3339 with any offset is read, and without one it is UTC, wherever the machine stands."""
    assert good(output(Expiration=end)).expiration == datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC)


def test_gives_what_is_over() -> None:
    """Whether a set has ended is for who has a clock to say."""
    assert good(output(Expiration="1999-01-01T00:00:00Z")).expiration == datetime(1999, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"null", "is JSON, but not an object"),
        (b"[" + output() + b"]", "is JSON, but not an object"),
        (b'"' + SECRET_KEY.encode() + b'"', "is JSON, but not an object"),
        (output() + output(), "is not JSON"),
        (output()[:-1], "is not JSON"),
        (b"Enter MFA code: " + output(), "is not JSON"),
        (output(Other=float("nan")), "is not JSON"),
        (b"<html>", "is not JSON"),
        (b"\xef\xbb\xbf" + output(), "begins with a byte order mark; expected UTF-8 without one"),
        (output().decode().encode("utf-16"), "begins with a byte order mark; expected UTF-8 without one"),
        (output().replace(b"us-east-2", b"\xff\xfe"), "is not UTF-8 text"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, "has more than 200 objects and arrays"),
        (b"[" * BODY_LIMIT, "has more than 200 objects and arrays"),
        (b'{"Version":' + b"9" * 5000 + b"}", "is not JSON"),
    ],
)
def test_refuses_what_is_no_object(content: bytes, problem: str) -> None:
    """What is not one JSON object in UTF-8 is refused with the reason, and with the form that is expected."""
    assert malformed(content).message == f"the output of the helper {problem}"


@pytest.mark.parametrize("field", json.loads(output()))
def test_refuses_double_fields(field: str) -> None:
    """Of a field that stands there twice nobody knows which one is meant."""
    error = malformed(output()[:-1] + f', "{field}": "canary"}}'.encode())
    assert (error.field, error.message) == (field, f"{field} in the output of the helper appears twice")


def test_refuses_another_tool_s_form() -> None:
    """The answer of ``aws sts assume-role``, printed as it is, is refused with the form that is expected."""
    error = malformed(json.dumps({"Credentials": KEYS}).encode())
    assert error.field == "Version"
    assert '{"Version": 1, "AccessKeyId"' in str(error)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(repr).map(str.encode))
def test_never_raises(content: bytes) -> None:
    """Whatever a command prints, the answer is a set or an error."""
    read(content)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(json.loads(output()))),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_never_raises_for_any_values(changes: dict[str, object]) -> None:
    """Whatever stands in the fields, the answer is a set or an error."""
    read(output(**changes))
