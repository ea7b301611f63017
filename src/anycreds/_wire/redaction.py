"""Finds secrets in untrusted texts, in any encoding in which a program may have written them."""

from __future__ import annotations

import re

# Letters and digits in a row that a message and a secret do not have in common by chance.
_MIN_MATCH = 16
_ESCAPES = re.compile(r"%([0-9A-Fa-f]{2})|\\\\?[ux](?:00)?([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|&#([0-9]{2,3});")
_SEPARATORS = re.compile(r"[^0-9a-z]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")


def contains_secret(text: str, secrets: tuple[str, ...]) -> bool:
    """Return whether a text contains 16 characters of a secret, or all of a shorter one.

    The text is searched as it is, and decoded from percent-encoding, escapes, base64 and hexadecimal. Only letters and
    digits are compared, without case, so that blanks, line breaks and quotes do not matter.
    """
    wanted = [found for secret in secrets if (found := _normalized(secret))]
    if not wanted:
        return False
    return any(_have_common_part(form, secret) for form in _decoded_forms(text) for secret in wanted)


def _have_common_part(text: str, secret: str) -> bool:
    size = min(_MIN_MATCH, len(secret))
    return any(text[at : at + size] in secret for at in range(len(text) - size + 1))


def _decoded_forms(text: str) -> list[str]:
    forms = [text]
    for _ in range(3):  # a text that is encoded twice, and once more
        text = _ESCAPES.sub(_unescaped, text)
        forms.append(text)
    joined = "".join(text.split())
    for run in _BASE64.findall(joined):
        forms += [_base64_decoded(run[shift:]) for shift in range(4)]
    forms += [bytes.fromhex(run).decode("latin-1") for run in _HEX.findall(joined)]
    return [_normalized(form) for form in forms]


def _unescaped(match: re.Match[str]) -> str:
    decimal = match[4]
    return chr(int(decimal) if decimal else int(next(filter(None, match.groups())), 16))


def _base64_decoded(run: str) -> str:
    from base64 import b64decode

    run = run.replace("-", "+").replace("_", "/")
    return b64decode(run[: len(run) // 4 * 4]).decode("latin-1")


def _normalized(text: str) -> str:
    return _SEPARATORS.sub("", text.lower())
