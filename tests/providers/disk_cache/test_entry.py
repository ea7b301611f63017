"""The format of an entry on disk: what is read, what is rejected, what is written, and when an entry is due."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anycreds import Credentials
from anycreds._core.validation import InvalidValueError
from anycreds._providers.disk_cache.entry import format_entry, is_temporary, parse_entry
from support.errors import outcome, rejected
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, START, assert_no_secret
from support.rows import each_row

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
START_TIME = datetime.fromtimestamp(START, UTC)
CREDENTIALS = Credentials(
    KEY_ID, SECRET_KEY, SESSION_TOKEN, expiration=START_TIME + timedelta(hours=1), account_id="012345678901"
)


def entry(**changes: Any) -> bytes:
    """Return the file that botocore writes for a role; ``...`` omits a field of its credentials."""
    full = {
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T04:04:05UTC",
        "AccountId": "012345678901",
        **changes,
    }
    document = {
        "Credentials": {name: value for name, value in full.items() if value is not ...},
        "AssumedRoleUser": {"AssumedRoleId": "AROA:me", "Arn": "arn:aws:sts::012345678901:assumed-role/Demo/me"},
        "ResponseMetadata": {"RequestId": "1", "HTTPStatusCode": 200, "HTTPHeaders": {"date": "now"}},
    }
    return json.dumps(document).encode()


@each_row("expiration", ["2024-01-02T04:04:05UTC", "2024-01-02T04:04:05Z", "2024-01-02T05:04:05+01:00"])
def test_entry_of_botocore_is_read(expiration: str) -> None:
    """An entry of the AWS CLI is read, with its time in each of the forms that its versions write."""
    found = parse_entry(entry(Expiration=expiration), START, START, "assume role")
    assert found.credentials == CREDENTIALS.replace(source="assume role")
    assert found.expires_at == START + HOUR


def test_unknown_fields_are_ignored() -> None:
    """Fields that another version has added do not matter."""
    found = parse_entry(entry(Version=7, Future={"a": [1]}), START, START, "assume role")
    assert found.credentials.access_key_id == KEY_ID


def test_all_fields_of_credentials_come_back() -> None:
    """What is written is read again, except for fractions of the second in which the credentials expire."""
    full = CREDENTIALS.replace(
        expiration=START_TIME + timedelta(hours=1, microseconds=999_999),
        credential_scope="eu-west-1",
        identity_id="eu-west-1:1",
        source="here",
    )
    found = parse_entry(format_entry(full, "sso"), START, START, "here")
    assert found.credentials == full.replace(expiration=CREDENTIALS.expiration)
    assert json.loads(format_entry(full, "sso"))["ProviderType"] == "sso"
    assert "ProviderType" not in json.loads(format_entry(full, None))


BAD_ENTRIES = {
    "empty": b"",
    "torn": entry()[:150],
    "not UTF-8": b"\xff" + entry(),
    "not JSON": b"Credentials",
    "an array": b"[]",
    "no credentials": b"{}",
    "credentials are text": b'{"Credentials": "AKID"}',
    "twice": entry().replace(b'"AccessKeyId"', b'"SessionToken"'),
    "no key id": entry(AccessKeyId=...),
    "blank secret": entry(SecretAccessKey=" "),
    "no token": entry(SessionToken=None),
    "control character": entry(SecretAccessKey=f"{SECRET_KEY}\x00"),
    "no expiration": entry(Expiration=...),
    "expiration is a number": entry(Expiration=1_704_168_245),
    "expiration is no time": entry(Expiration="tomorrow"),
    "expiration far away": entry(Expiration="2034-01-02T04:04:05Z"),
    "account is a list": entry(AccountId=["1"]),
    "scope is a number": entry(CredentialScope=1),
    "nested too deep": b'{"Credentials": ' + b"[" * 500 + b"]" * 500 + b"}",
}


@pytest.mark.fault("L20")
@each_row("content", BAD_ENTRIES.values(), ids=list(BAD_ENTRIES))
def test_bad_entry_is_rejected(content: bytes) -> None:
    """A file that is torn, incomplete or of another kind is rejected, with an error that shows nothing of it."""
    assert_no_secret(rejected(parse_entry, content, START, START, "assume role"))


def test_entry_from_the_future_is_rejected() -> None:
    """A file that was written more than a minute from now shows that the clock was set back, so it is not trusted."""
    assert parse_entry(entry(), START + 59, START, "assume role").written_at == START + 59
    error = rejected(parse_entry, entry(), START + 61, START, "assume role")
    assert "written in the future" in str(error)


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda end: entry()[:end]))
def test_any_bytes_are_read_or_rejected(content: bytes) -> None:
    """Whatever a file contains, the result is an entry or an ``InvalidValueError``."""
    result = outcome(parse_entry, content, START, START, "assume role")
    assert isinstance(result, InvalidValueError)


@each_row(
    "lifetime, due_at",
    [
        (12 * HOUR, HOUR),
        (HOUR, 15 * MINUTE),
        (15 * MINUTE, 5 * MINUTE),
        (4 * MINUTE, 2 * MINUTE),
    ],
)
def test_entry_is_due_when_the_cache_in_memory_would_refresh(lifetime: float, due_at: float) -> None:
    """An entry is due in the advisory window of its lifetime, which began when the file was written."""
    expiration = (START_TIME + timedelta(seconds=lifetime)).isoformat()
    now = START + lifetime - due_at
    found = parse_entry(entry(Expiration=expiration), START, now, "assume role")
    assert found.is_due(now, may_prompt_user=False)
    assert not found.is_due(now - 1, may_prompt_user=False)


def test_entry_that_needs_a_prompt_is_due_when_it_has_expired() -> None:
    """Credentials whose refresh prompts the user are used to their end."""
    found = parse_entry(entry(), START, START, "assume role")
    assert not found.is_due(START + HOUR - 1, may_prompt_user=True)
    assert found.is_due(START + HOUR, may_prompt_user=True)


def test_clock_set_back_leaves_a_lifetime() -> None:
    """A file that seems to be some seconds younger than now has the lifetime that remains."""
    found = parse_entry(entry(), START + 30, START, "assume role")
    assert not found.is_due(START, may_prompt_user=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"session_token": None}, False),
        ({"expiration": None}, False),
        ({"original_expiration": START_TIME}, False),
    ],
)
def test_only_temporary_credentials_may_be_written(changes: dict[str, Any], expected: bool) -> None:
    """Access keys of a user, also with an artificial expiration, and extended credentials are never written."""
    assert is_temporary(CREDENTIALS.replace(**changes)) is expected
