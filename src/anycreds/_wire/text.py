"""Bytes and texts from outside, as text that can be used or displayed."""

from __future__ import annotations

from .._core.http import Response
from .._core.validation import InvalidValueError


def decode_utf8(body: bytes) -> str:
    """Return UTF-8 bytes as text. Raise ``InvalidValueError`` for other bytes."""
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise InvalidValueError("begins with a byte order mark; expected UTF-8 without one")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidValueError("is not UTF-8 text") from None


def response_text(response: Response) -> str:
    """Return the body of a response as text. Raise ``InvalidValueError`` if it is compressed, HTML or not UTF-8."""
    check_not_compressed(response)
    if response.body.lstrip()[:1] == b"<":
        raise InvalidValueError("is a web page; is a captive portal or a proxy in between?")
    return decode_utf8(response.body)


def check_not_compressed(response: Response) -> None:
    """Raise ``InvalidValueError`` for a compressed body: no request allows one, and a small one can become huge."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity"):
        raise InvalidValueError("is compressed, although the request does not allow that")


def printable(text: str, max_length: int) -> str:
    """Return an untrusted text for display: on one line, without control characters, and shortened."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    return line if len(line) <= max_length else line[: max_length - 3] + "..."
