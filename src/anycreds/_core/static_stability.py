"""Static stability: while its source is down, a set that has ended may be used for some minutes more, and says so."""

from __future__ import annotations

from .credentials import Credentials
from .durations import to_datetime

# How far its end is moved on, by chance in between, so that a fleet spreads (JavaScript has the same numbers).
SHORTEST, LONGEST = 5 * 60.0, 10 * 60.0


def extended(credentials: Credentials, now: float, chance: float) -> Credentials:
    """Return the set with a later end, and the true one as ``original_expiration``. ``chance`` is in [0, 1)."""
    return credentials.replace(
        expiration=to_datetime(now + SHORTEST + (LONGEST - SHORTEST) * chance),
        original_expiration=credentials.original_expiration or credentials.expiration,
    )
