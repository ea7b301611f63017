"""Whether a short text contains_secret a part of a secret, in whatever way a program may have written it down.

What is compared is letters and digits only, so that no blank, line or escape in between matters.
"""

from __future__ import annotations

import re

# Letters and digits in a row that no message has in common with a secret by chance.
_ENOUGH = 16
_ESCAPES = re.compile(r"%([0-9A-Fa-f]{2})|\\\\?[ux](?:00)?([0-9A-Fa-f]{2})|&#x([0-9A-Fa-f]{2});|&#([0-9]{2,3});")
_REST = re.compile(r"[^0-9a-z]+")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")


def contains_secret(text: str, secrets: tuple[str, ...]) -> bool:
    """Tell whether a text contains_secret a part of a secret; of a short secret, all of it."""
    wanted = [found for secret in secrets if (found := _plain(secret))]
    return any(_has(form, secret) for form in _forms(text) for secret in wanted) if wanted else False


def _has(text: str, secret: str) -> bool:
    size = min(_ENOUGH, len(secret))
    return any(text[at : at + size] in secret for at in range(len(text) - size + 1))


def _forms(text: str) -> list[str]:
    forms = [text]
    for _ in range(3):  # twice encoded, and once more
        text = _ESCAPES.sub(_character, text)
        forms.append(text)
    joined = "".join(text.split())
    for run in _RUN.findall(joined):
        forms += [_decoded(run[shift:]) for shift in range(4)]
    forms += [bytes.fromhex(run).decode("latin-1") for run in _HEX.findall(joined)]
    return [_plain(form) for form in forms]


def _character(match: re.Match[str]) -> str:
    decimal = match[4]
    return chr(int(decimal) if decimal else int(next(filter(None, match.groups())), 16))


def _decoded(run: str) -> str:
    from base64 import b64decode

    run = run.replace("-", "+").replace("_", "/")
    return b64decode(run[: len(run) // 4 * 4]).decode("latin-1")


def _plain(text: str) -> str:
    return _REST.sub("", text.lower())
