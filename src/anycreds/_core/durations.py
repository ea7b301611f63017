"""Lengths of time as users give them, and the instants they lead to; how long and how often something is tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .errors import InvalidConfigurationError

# A million years: more is no length of time, and an int may be too long to become a float.
_LONGEST = 1e6 * 366 * 86_400


def as_seconds(name: str, value: timedelta | float) -> float:
    """Return a length of time in seconds; refuse what is none."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= _LONGEST:
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


def timeout_and_retries_reason(timeout: object, max_retries: object) -> str | None:
    """Say what is wrong with these two options of a provider; None: nothing is."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        return "option timeout is not a number of seconds above 0"
    if not isinstance(max_retries, int) or isinstance(max_retries, bool) or max_retries < 0:
        return "option max_retries is not a whole number from 0 on"
    return None
