"""``Credentials``: validation, immutability, and secrets that are never shown."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import anycreds
from anycreds._core.frozen_credentials import FrozenCredentials
from anycreds.testing import CANARY

SECRET, TOKEN = f"{CANARY}-secret", f"{CANARY}-token"
END = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def whole() -> anycreds.Credentials:
    """Return credentials with every field."""
    return anycreds.Credentials(
        "ASIAEXAMPLE",
        SECRET,
        TOKEN,
        expiration=END,
        account_id="123456789012",
        credential_scope="us-east-1",
        identity_id="us-east-1:id",
        original_expiration=END - timedelta(hours=1),
        source="somewhere",
    )


def test_two_fields_are_enough() -> None:
    """An access key id and a secret access key are enough; all other fields are None."""
    creds = anycreds.Credentials("AKID", SECRET)
    assert (creds.access_key_id, creds.secret_access_key) == ("AKID", SECRET)
    assert [creds.session_token, creds.expiration, creds.account_id, creds.source] == [None] * 4


@pytest.mark.fault("S10")
def test_secrets_cannot_be_printed() -> None:
    """No conversion to text shows a secret; key id, expiration, account and source are shown."""
    creds = whole()
    for text in (
        repr(creds),
        str(creds),
        f"{creds}",
        f"{creds!r}",
        f"{creds:}",
        f"{creds}",
        repr([creds]),
        "%s" % creds,  # noqa: UP031 - as old code has it
    ):
        assert CANARY not in text
        assert "ASIAEXAMPLE" in text
        assert "2030-01-02T03:04:05Z" in text
        assert "somewhere" in text
    with pytest.raises(TypeError, match="__dict__"):
        vars(creds)


@pytest.mark.fault("S10")
def test_fields_cannot_be_changed() -> None:
    """No field can be changed, deleted or added."""
    creds = whole()
    for name in ("access_key_id", "expiration", "surprise"):
        with pytest.raises(AttributeError, match="frozen"):
            setattr(creds, name, "x")
        with pytest.raises(AttributeError, match="frozen"):
            delattr(creds, name)
    assert creds == whole()


def test_equal_by_value() -> None:
    """Credentials with equal fields are equal and have equal hashes; any other field makes them unequal."""
    assert whole() == whole()
    assert hash(whole()) == hash(whole())
    for name in ("access_key_id", "secret_access_key", "session_token", "account_id", "source"):
        assert whole().replace(**{name: "other"}) != whole()
    assert whole() != "ASIAEXAMPLE"


@pytest.mark.fault("S10")
@pytest.mark.parametrize(
    "value",
    [whole(), FrozenCredentials(whole())],
    ids=lambda v: type(v).__name__,
)
def test_copies_are_the_same_object_and_pickling_fails(value: Any) -> None:
    """A copy of an immutable value is the value itself. Its state cannot be pickled or read, which may be a secret."""
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(value)
    with pytest.raises(TypeError, match="no readable state"):
        value.__getstate__()


def test_replace_changes_a_copy() -> None:
    """``replace`` returns new, validated credentials, and rejects unknown fields."""
    creds = whole()
    changed = creds.replace(expiration=None, account_id="2")
    assert (changed.expiration, changed.account_id, changed.session_token) == (None, "2", TOKEN)
    assert creds.account_id == "123456789012"
    with pytest.raises(TypeError, match="surprise"):
        creds.replace(surprise=1)
    with pytest.raises(anycreds.InvalidConfigurationError, match="secret_access_key"):
        creds.replace(secret_access_key=f"{CANARY}-broken\n")


def test_expiration_is_kept_in_utc() -> None:
    """An expiration in any time zone is converted to UTC; one without a time zone is rejected."""
    paris = timezone(timedelta(hours=2))
    creds = anycreds.Credentials("AKID", SECRET, expiration=datetime(2030, 1, 2, 5, 4, 5, tzinfo=paris))
    assert creds.expiration == END
    assert creds.expiration is not None
    assert creds.expiration.tzinfo is UTC
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"expiration has no time zone"):
        anycreds.Credentials("AKID", SECRET, expiration=END.replace(tzinfo=None))
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"expiration is not a datetime but str"):
        anycreds.Credentials("AKID", SECRET, expiration="2030-01-01")  # type: ignore[arg-type]
    with pytest.raises(anycreds.InvalidConfigurationError, match="years 1 to 9999"):
        anycreds.Credentials("AKID", SECRET, expiration=datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))


@pytest.mark.parametrize("field", ["access_key_id", "secret_access_key", "session_token"])
def test_invalid_secret_is_rejected_without_being_repeated(field: str) -> None:
    """The error names the field and the control character, and neither it nor its traceback shows the secret."""
    fields: dict[str, Any] = {"access_key_id": "AKID", "secret_access_key": SECRET, field: f"{CANARY}-a\n"}
    with pytest.raises(anycreds.InvalidConfigurationError, match=rf"{field} .*U\+000A"):
        anycreds.Credentials(**fields)


@pytest.mark.parametrize("field", ["account_id", "credential_scope", "identity_id", "source"])
def test_other_invalid_text_is_rejected(field: str) -> None:
    """The error names the field of an invalid text that is no secret."""
    fields: dict[str, Any] = {"access_key_id": "AKID", "secret_access_key": SECRET, field: "a\n"}
    with pytest.raises(anycreds.InvalidConfigurationError, match=rf"{field} .*U\+000A"):
        anycreds.Credentials(**fields)


@pytest.mark.parametrize("field", ["access_key_id", "secret_access_key"])
def test_missing_key_is_rejected(field: str) -> None:
    """Neither part of the access key can be None."""
    fields: dict[str, Any] = {"access_key_id": "AKID", "secret_access_key": SECRET, field: None}
    with pytest.raises(anycreds.InvalidConfigurationError, match=f"{field} is missing"):
        anycreds.Credentials(**fields)


@given(st.text(), st.text(), st.none() | st.text())
def test_any_text_is_accepted_or_a_clear_error(key: str, secret: str, token: str | None) -> None:
    """Any text is stored unchanged or rejected."""
    try:
        creds = anycreds.Credentials(key, secret, token)
    except anycreds.InvalidConfigurationError:
        return
    assert (creds.access_key_id, creds.secret_access_key, creds.session_token) == (key, secret, token)
    assert all(text.strip() for text in (key, secret))


def test_formats_are_never_checked() -> None:
    """Keys of any format are accepted: AWS publishes none."""
    assert anycreds.Credentials("x", "ü", account_id="not-a-number").access_key_id == "x"
