"""Finds secrets in untrusted texts, in any encoding in which a program may have written them."""

from __future__ import annotations

import re
from base64 import b64decode

# Letters and digits in a row that a message and a secret do not have in common by chance.
_MIN_MATCH = 16
_ESCAPES = re.compile(r"%([0-9A-Fa-f]{2})|\\\\?[ux](?:00)?([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|&#([0-9]{2,3});")
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_URL_SAFE = str.maketrans("-_", "+/")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_ACCESS_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{8}")
# Keys and tokens in base64, base64url or hexadecimal. Words and most paths of this length have no digit.
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_NAMED_SECRET = re.compile(
    r"(?:pass(?:word|wd|phrase|code)?|secret\w*|token|credentials?|\w*key)[\"']?\s*[=:]\s*\S|\b(?:bearer|basic)\s+\S",
    re.IGNORECASE,
)


def contains_secret(text: str, secrets: tuple[str, ...]) -> bool:
    """Return whether a text contains 16 characters of a secret, or all of a shorter one.

    The text is searched as it is, and decoded from percent-encoding, escapes, base64 and hexadecimal. Only letters and
    digits are compared, without case, so that blanks, line breaks and quotes do not matter.
    """
    for secret in filter(None, map(_normalized, secrets)):
        size = min(_MIN_MATCH, len(secret))
        for form in _decoded_forms(text):
            if any(form[at : at + size] in secret for at in range(len(form) - size + 1)):
                return True
    return False


def _decoded_forms(text: str) -> list[str]:
    forms = [text]
    for _ in range(3):  # a text that is encoded twice, and once more
        text = _ESCAPES.sub(_unescaped, text)
        forms.append(text)
    joined = "".join(text.split())
    for run in _BASE64.findall(joined):
        for shift in range(4):
            encoded = run[shift:].translate(_URL_SAFE)
            forms.append(b64decode(encoded[: len(encoded) // 4 * 4]).decode("latin-1"))
    forms += [bytes.fromhex(run).decode("latin-1") for run in _HEX.findall(joined)]
    return [_normalized(form) for form in forms]


def _unescaped(match: re.Match[str]) -> str:
    decimal = match[4]
    return chr(int(decimal) if decimal else int(next(filter(None, match.groups())), 16))


def _normalized(text: str) -> str:
    return _SEPARATORS.sub("", text.lower())


def looks_like_secret(text: str) -> bool:
    """Return whether a text may contain a secret that is not known.

    That is a word in the form of an access key ID; a word of 20 or more characters of base64 or hexadecimal with a
    digit; or a value after a name such as ``password=``, ``token:`` or ``Bearer``.
    """
    has_long_word = any(re.search("[0-9]", word) for word in _LONG_WORD.findall(text))
    return has_long_word or bool(_ACCESS_KEY_ID.search(text) or _NAMED_SECRET.search(text))
