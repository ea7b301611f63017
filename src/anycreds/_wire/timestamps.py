"""Timestamps in the extended format of ISO 8601, as in RFC 3339."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from .._core.validation import InvalidValueError

# As AWS writes it. Python reads this form fast, but other forms too, some of them differently from AWS.
_USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})"
    r"(?::([0-9]{2})(?:\.([0-9]+))?)?(?:[Zz]|([+-])([0-9]{2}):?([0-5][0-9]))?"
)


def parse_cli_time(value: object, *, field: str | None = None) -> datetime:
    """Return a timestamp in a file of the AWS CLI or of botocore, which may write ``UTC`` instead of ``Z``."""
    return parse_time(value.removesuffix("UTC").rstrip() if isinstance(value, str) else value, field=field)


def parse_time(value: object, *, field: str | None = None) -> datetime:
    """Return a timestamp as an aware datetime in UTC.

    Besides those of RFC 3339, it may be without an offset, which is UTC, as AWS writes it. Programs also leave out the
    seconds or the colon of the offset.
    """
    if isinstance(value, str) and _USUAL.fullmatch(value):
        with suppress(ValueError):  # such as a leap second
            return datetime.fromisoformat(value)
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError("is not a time such as 2030-12-31T23:59:59Z", field=field)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    leap = second == 60  # datetime has no leap seconds, so this becomes the next second
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
        moment += timedelta(seconds=leap, microseconds=int((fraction or "")[:6].ljust(6, "0")))
        if sign is None:
            return moment
        if int(offset_hours) < 24:
            offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
            return moment - offset if sign == "+" else moment + offset
    except (ValueError, OverflowError):
        pass
    raise InvalidValueError("is not an existing time", field=field)
