"""Durations as users give them, and the times they lead to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .errors import InvalidConfigurationError

# A million years. A larger value is a mistake, and an int may be too large to become a float.
_MAX_SECONDS = 1e6 * 366 * 86_400


def as_seconds(name: str, value: timedelta | float) -> float:
    """Return a duration in seconds. Raise ``InvalidConfigurationError``, with the option's name, if it is unusable."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= _MAX_SECONDS:
        raise InvalidConfigurationError(f"{name} is not a duration: a timedelta, or a number of seconds of at least 0")
    return float(seconds)


def to_datetime(seconds: float) -> datetime:
    """Return a wall clock reading as an aware datetime; the last day of the calendar if it is beyond that."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)
