"""Lengths of time as users give them, and the instants they lead to."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from ._errors import InvalidConfigurationError


def as_seconds(name: str, value: timedelta | float) -> float:
    """Return a length of time in seconds; refuse what is none."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise InvalidConfigurationError(
            f"{name} is not a length of time: a timedelta, or a number of seconds from 0 on"
        )
    return float(seconds)


def instant(seconds: float) -> datetime:
    """Return a wall clock reading as an aware datetime; what lies beyond the calendar becomes its last day."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)
