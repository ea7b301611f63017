"""Names of AWS regions, validated before they become a part of a host name."""

from __future__ import annotations

import re

from .._core.validation import InvalidValueError

# One label of a DNS name. A dot or slash in it would send requests, and their signatures, to another host.
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def is_region(value: object) -> bool:
    """Return whether a value can be the name of a region."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None


def check_region(value: object) -> str:
    """Return the name of a region. Raise ``InvalidValueError`` for a value that cannot be one."""
    if not isinstance(value, str):
        raise InvalidValueError(f"is not text but {type(value).__name__}")
    if not is_region(value):
        raise InvalidValueError("cannot be a part of a host name; expected a region such as eu-central-1")
    return value
