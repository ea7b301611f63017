"""The fast path for plain sections, of which nearly all files consist: recognized by one regular expression each.

A section is plain if its header is ``[profile NAME]`` (``[NAME]`` in the credentials file) without quotes, and each of
its lines is a comment, blank, or ``key = value`` without comment marks. A plain section cannot contain an error, so it
is stored as text and parsed only when it is used: a file may have 10,000 sections, and a program uses two.
``reader.py`` parses everything else, and would parse plain sections with the same result.

Without the fast path, reading 10,000 profiles takes 2.3 times as long as a minimal line scan of the same file; with it,
0.8 times as long (``python -m benchmarks --only profiles``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# ``re`` does not release the interpreter while it matches, even in a thread. This much takes half a millisecond.
_MAX_LENGTH = 64 * 1024
_WORD = r"[A-Za-z0-9_\-/.%@:+]++"
# Possessive quantifiers (++ and *+) never backtrack, so the time is linear in the length of the text.
_LINES = rf"[ \t]*+(?:\n(?:{_WORD}[ \t]*+=[^#;\n]*+|[#;][^\n]*+|[ \t]*+))*+"
_MATCHES: Mapping[str, Callable[[str], re.Match[str] | None]] = {
    "config": re.compile(rf"\[profile[ \t]++({_WORD})\]{_LINES}").fullmatch,
    "credentials": re.compile(rf"\[({_WORD})\]{_LINES}").fullmatch,
}


def fast_path_name(section: str, file: str) -> str | None:
    """Return the name of the profile if the text is one plain section; otherwise None."""
    if len(section) > _MAX_LENGTH or (match := _MATCHES[file](section)) is None:
        return None
    return match[1]


def fast_path_values(section: str, number: int) -> dict[str, tuple[Any, int]]:
    """Return the values of a plain section, each with its line. ``number`` is the line of its header."""
    _, *lines = section.split("\n")
    values: dict[str, tuple[Any, int]] = {}
    for at, line in enumerate(lines, number + 1):
        key, equals, value = line.partition("=")
        if equals and line[0] not in "#;":
            values[key.rstrip(" \t").lower()] = (value.strip(" \t"), at)
    return values
