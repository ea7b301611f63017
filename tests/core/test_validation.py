"""The checks of texts and options that many readers share: each invalid value has its reason, and is not repeated."""

from __future__ import annotations

from enum import StrEnum

import pytest

from anycreds._core.errors import InvalidConfigurationError
from anycreds._core.validation import check_account_id, check_header_safe, check_text, check_timeout_and_retries
from anycreds.testing import CANARY
from support.errors import error_of, outcome, rejected

INVALID_TEXTS: list[tuple[object, str]] = [
    (None, "is missing"),
    (True, "is not text but bool"),
    (0, "is not text but int"),
    (1.5, "is not text but float"),
    (b"x", "is not text but bytes"),
    ([CANARY], "is not text but list"),
    ({"a": CANARY}, "is not text but dict"),
    ("", "is blank"),
    (" ", "is blank"),
    ("\t\r\n", "is blank"),
    ("\u00a0", "is blank"),
    (f"{CANARY}\x00", "contains the control character U+0000"),
    (f"{CANARY}\n", "contains the control character U+000A"),
    (f"{CANARY}\r\nX-Evil: 1", "contains the control character U+000D"),
    (f"\x1b[31m{CANARY}", "contains the control character U+001B"),
    (f"{CANARY}\x1f", "contains the control character U+001F"),
    (f"{CANARY}\x7f", "contains the control character U+007F"),
    (f"{CANARY}\x85", "contains the control character U+0085"),
    (f"{CANARY}\x9f", "contains the control character U+009F"),
    (f"{CANARY}\ud800", "contains a lone surrogate: bytes that are not UTF-8"),
    (f"{CANARY}\udfff", "contains a lone surrogate: bytes that are not UTF-8"),
    ("x" * (16 * 1024 + 1), "has 16385 characters; expected at most 16384"),
]
UNSENDABLE: list[tuple[object, str]] = [
    (f"{CANARY}\u20ac", "has a character that an HTTP header cannot contain"),
    (f" {CANARY}", "begins or ends with a blank"),
    (f"{CANARY}\u00a0", "begins or ends with a blank"),
]


class Text(StrEnum):
    """A class of the program whose objects are texts."""

    KEY = "key"


def test_invalid_text_is_rejected_with_its_reason() -> None:
    """Other types, blank and long texts, control characters and lone surrogates are rejected by each of the checks."""
    for check in (check_text, check_account_id, check_header_safe):
        rows = [row for row in INVALID_TEXTS if check is not check_account_id or type(row[0]) is not int]
        assert [(value, str(rejected(check, value))) for value, _ in rows] == rows, check


def test_valid_text_is_returned_unchanged() -> None:
    """Printable text of any language, with blanks in and around it, is valid up to the limit."""
    rows = ["x", " E K ", "\u00e9\u4e2d", "a\u00a0b", "a\u2028b", "\ue000", "x" * 16 * 1024]
    assert [outcome(check_text, text) for text in rows] == rows
    assert type(check_text(Text.KEY)) is str


def test_text_has_the_limit_of_its_kind() -> None:
    """The limit can be another one, and the error names the field."""
    assert check_text("x" * 20_000, 20_000) == "x" * 20_000
    error = rejected(check_text, "xxx", 2, field="Token")
    assert (str(error), error.field) == ("Token has 3 characters; expected at most 2", "Token")
    assert error.reason == "has 3 characters; expected at most 2"


@pytest.mark.fault("S06")
def test_text_for_a_header_is_latin_and_without_blanks_around_it() -> None:
    """A text that an HTTP header cannot contain unchanged is rejected."""
    assert [(value, str(rejected(check_header_safe, value))) for value, _ in UNSENDABLE] == UNSENDABLE
    assert check_header_safe("a \u00e9") == "a \u00e9"


def test_number_as_account_id_has_twelve_digits() -> None:
    """A number gets back its leading zeros; one of more digits, zero or a negative one is rejected."""
    rows = {1: "000000000001", 12345678901: "012345678901", 10**12 - 1: "9" * 12}
    assert {number: check_account_id(number) for number in rows} == rows
    reasons = {number: str(rejected(check_account_id, number)) for number in (0, -1, 10**12, 10**400)}
    assert set(reasons.values()) == {"is not a number of 12 digits"}, reasons


def test_invalid_timeout_is_rejected() -> None:
    """A timeout has to be a positive, finite number."""
    for timeout in (0, -1, float("nan"), float("inf"), True, None, "1"):
        error = error_of(check_timeout_and_retries, timeout, 0, "x", kind=InvalidConfigurationError)
        assert str(error) == "x: option timeout is not a number of seconds above 0", timeout


def test_invalid_number_of_retries_is_rejected() -> None:
    """The number of retries has to be a whole number of at least 0."""
    for max_retries in (-1, 1.0, True, None, "1"):
        error = error_of(check_timeout_and_retries, 1, max_retries, "x", kind=InvalidConfigurationError)
        assert str(error) == "x: option max_retries is not a whole number of at least 0", max_retries


def test_valid_timeout_and_retries_are_accepted() -> None:
    """Whole and fractional seconds are valid timeouts, and 0 is a valid number of retries."""
    check_timeout_and_retries(1, 0, "x")
    check_timeout_and_retries(0.25, 5, "x")
