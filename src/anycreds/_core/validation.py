"""The exception of the strict readers, and checks of texts and options that several providers have."""

from __future__ import annotations

from .errors import InvalidConfigurationError

# Longer than any key or session token that AWS issues (tokens are opaque, a few KiB at most).
MAX_TEXT_LENGTH = 16 * 1024
# An account ID has 12 digits. A program that writes it as a number drops its leading zeros.
_ACCOUNT_DIGITS = 12


class InvalidValueError(ValueError):
    """A value cannot be used. The text says what is wrong with it, and never repeats it, since it may be a secret.

    Readers of untrusted input raise it. The caller that knows which setting or response the value came from catches it
    and raises a ``CredentialsError``. ``field`` is the field at fault in a document; ``reason`` is the text without it.
    """

    def __init__(self, reason: str, *, field: str | None = None) -> None:
        super().__init__(reason if field is None else f"{field} {reason}")
        self.reason = reason
        self.field = field


def check_text(value: object, max_length: int = MAX_TEXT_LENGTH, *, field: str | None = None) -> str:
    """Return a value that can be a key, a token or a name: printable text. Raise ``InvalidValueError`` for others."""
    if value is None:
        raise InvalidValueError("is missing", field=field)
    if not isinstance(value, str):
        raise InvalidValueError(f"is not text but {type(value).__name__}", field=field)
    if not value.strip():
        raise InvalidValueError("is blank", field=field)
    if len(value) > max_length:
        raise InvalidValueError(f"has {len(value)} characters; expected at most {max_length}", field=field)
    if not value.isprintable():  # nearly all texts are
        for character in value:
            if character < " " or "\x7f" <= character <= "\x9f":
                raise InvalidValueError(f"contains the control character U+{ord(character):04X}", field=field)
            if "\ud800" <= character <= "\udfff":
                raise InvalidValueError("contains a lone surrogate: bytes that are not UTF-8", field=field)
    return str.__str__(value)  # also if it is of a class of the program


def check_account_id(value: object, *, field: str | None = None) -> str:
    """Return an account ID, which may be written as a number."""
    if type(value) is not int:
        return check_text(value, field=field)
    if not 0 < value < 10**_ACCOUNT_DIGITS:
        raise InvalidValueError(f"is not a number of {_ACCOUNT_DIGITS} digits", field=field)
    return f"{value:0{_ACCOUNT_DIGITS}d}"


def check_header_safe(value: object, *, field: str | None = None) -> str:
    """Return a text that can be sent as the value of an HTTP header.

    An HTTP client would raise an error with the value in its message.
    """
    text = check_text(value, field=field)
    if not text.isascii() and any(character > "\xff" for character in text):
        raise InvalidValueError("has a character that an HTTP header cannot contain", field=field)
    if text != text.strip():
        raise InvalidValueError("begins or ends with a blank", field=field)
    return text


def check_timeout_and_retries(timeout: object, max_retries: object, source: str | None = None) -> None:
    """Raise ``InvalidConfigurationError`` for unusable values of these two options of a provider."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise InvalidConfigurationError("option timeout is not a number of seconds above 0", source=source)
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise InvalidConfigurationError("option max_retries is not a whole number of at least 0", source=source)
