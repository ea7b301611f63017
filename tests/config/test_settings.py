"""Settings: a blank value counts as not set, a boolean is strict, and a value that may be a secret is not displayed."""

from __future__ import annotations

import pytest

from anycreds._config.settings import Setting, display_value, first_set, from_argument, parse_bool
from anycreds._core.errors import InvalidConfigurationError
from support.errors import error_of
from support.fake_io import SECRET_KEY
from support.rows import each_row


@pytest.mark.fault("L11")
@each_row("blank", ["", " ", "\t", "\n", " \r\n ", "\u00a0", "\u2003"])
def test_first_set_ignores_blank_variables(blank: str) -> None:
    """A variable that contains only blanks counts as not set."""
    assert first_set({"A": blank}, "A") is None


def test_first_set_returns_value_and_origin() -> None:
    """``first_set`` returns the first variable that is not blank, unchanged, with its name."""
    assert first_set({"A": " ", "B": " b ", "C": "c"}, "A", "B", "C") == (" b ", "B")
    assert first_set({}, "A") is None


def test_from_argument_keeps_blank_values() -> None:
    """A blank argument is a setting, and None is not."""
    assert from_argument("full_uri", "") == ("", "option full_uri")
    assert from_argument("full_uri", None) is None


def test_repr_of_setting_has_no_value() -> None:
    """``repr`` of a setting contains its origin and not its value."""
    assert repr(Setting(SECRET_KEY, "X")) == "Setting(from X)"


@each_row("word", ["true", "TRUE", "True", "1", "yes", "on", "On", " true "])
def test_parse_bool_true(word: str) -> None:
    """Each common word for true is true."""
    assert parse_bool(Setting(word, "X")) is True


@each_row("word", ["false", "FALSE", "0", "no", "off", "OFF\n"])
def test_parse_bool_false(word: str) -> None:
    """Each common word for false is false."""
    assert parse_bool(Setting(word, "X")) is False


@each_row("word", ["2", "t", "y", "enabled", "none", "truefalse", "\uff11", SECRET_KEY])
def test_parse_bool_invalid(word: str) -> None:
    """The error for any other word contains the variable and the valid words, and no long value."""
    error = error_of(parse_bool, Setting(word, "SOME_SWITCH"), "a provider", kind=InvalidConfigurationError)
    assert error.source == "a provider"
    assert "SOME_SWITCH" in str(error)
    assert "true, 1, yes, on, or false, 0, no, off" in str(error)
    assert SECRET_KEY not in str(error)


def test_display_value_shows_short_values_only() -> None:
    """A value as long as a secret access key is not displayed, and a displayed value has no line break."""
    assert display_value("a\n\u00e9") == "'a\\n\\xe9'"
    assert display_value("x" * 32) == repr("x" * 32)
    assert display_value("x" * 40) == "a text of 40 characters"
    assert display_value(1) == "not text but int"
