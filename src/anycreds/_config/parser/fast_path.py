"""Plain sections: what nearly all files consist of. They are recognised at a glance, and read when they are asked for.

A section is plain if its header is the name of a profile without quotes, and its lines are comments, blank, or
``key = value`` without comment marks. Nothing in it can be wrong, so nobody has to look at it before: files may hold
10,000 of them, and a program uses two. All else is for ``lines.py``, which reads plain sections just like this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

# A match holds the interpreter, in a thread too: for half a millisecond at most, which is what this takes.
_LONGEST = 64 * 1024
_WORD = r"[A-Za-z0-9_\-/.%@:+]++"
# It never goes back over what is taken already (++ and *+), so that the time grows with the length and no faster.
_LINES = rf"[ \t]*+(?:\n(?:{_WORD}[ \t]*+=[^#;\n]*+|[#;][^\n]*+|[ \t]*+))*+"
_MATCHES: Mapping[str, Callable[[str], re.Match[str] | None]] = {
    "config": re.compile(rf"\[profile[ \t]++({_WORD})\]{_LINES}").fullmatch,
    "credentials": re.compile(rf"\[({_WORD})\]{_LINES}").fullmatch,
}


def plain_name(section: str, file: str) -> str | None:
    """Return the name of the profile whose plain section this text is; None: it is none."""
    if len(section) > _LONGEST or (match := _MATCHES[file](section)) is None:
        return None
    return match[1]


def plain_values(section: str, number: int) -> dict[str, tuple[Any, int]]:
    """Return what a plain section says, with the line of each value. ``number`` is the line of its header."""
    _, *lines = section.split("\n")
    values: dict[str, tuple[Any, int]] = {}
    for at, line in enumerate(lines, number + 1):
        key, equals, value = line.partition("=")
        if equals and line[0] not in "#;":
            values[key.rstrip(" \t").lower()] = (value.strip(" \t"), at)
    return values
