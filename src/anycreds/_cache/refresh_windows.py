"""Computes when cached credentials must be refreshed: their windows, which are fixed when the credentials arrive.

Plain functions of values. All times are in seconds. See ``docs/design/cache.md``, "Windows".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from .._core.advisory_window import advisory_window
from .._core.credentials import Credentials

if TYPE_CHECKING:
    from .._core.events import Observer

# The refresh starts later by a random part of the window, at most this, so that a fleet does not call at one instant.
JITTER_FRACTION = 0.1
# With ``spread_first_refresh``, the refresh after first credentials starts after this part of their lifetime at the
# earliest. Of 10,000 machines that start together, at most 1.7 times the mean then call in one minute; with a third it
# is twice the mean, with a half three times. An earlier start costs more calls.
EARLIEST_FIRST_REFRESH = 0.25
# In this window callers wait for the refresh (the same behavior); at most a quarter of the remaining lifetime.
MANDATORY_WINDOW = 60.0
# Credentials with an extended expiration are refreshed this long before it, in the background: no caller then waits for
# a source that is down.
EXTENDED_WINDOW = 60.0

# How urgent a refresh is: the credentials are valid, in the mandatory window, or expired or missing. Numbers, because a
# decision compares them several times, and comparing members of an ``IntEnum`` takes four times as long.
NOT_URGENT: Final = 0
MANDATORY: Final = 1
EXPIRED: Final = 2


class ClockReading(NamedTuple):
    """The time by both clocks."""

    wall: float
    monotonic: float


class CachedCredentials(NamedTuple):
    """Credentials and their windows, which are fixed when the credentials arrive."""

    credentials: Credentials
    wall_expiration: float  # by the wall clock; infinite without an expiration
    monotonic_expiration: float  # by the monotonic clock
    advisory: float  # a refresh is due when at most this much of the lifetime remains
    mandatory: float  # callers wait for the refresh when at most this much of the lifetime remains
    recheck_at: float  # a refresh is due at this monotonic time, whatever the expiration is

    def remaining(self, now: ClockReading) -> float:
        """Return the remaining lifetime by the clock that leaves less.

        The wall clock may be set back, and the monotonic clock may stand still while the machine is suspended. With
        both, neither makes expired credentials look valid.
        """
        return min(self.wall_expiration - now.wall, self.monotonic_expiration - now.monotonic)

    def urgency(self, now: ClockReading) -> int:
        """Return how urgent a refresh is."""
        remaining = self.remaining(now)
        return EXPIRED if remaining <= 0 else MANDATORY if remaining <= self.mandatory else NOT_URGENT

    def refresh_due(self, now: ClockReading) -> bool:
        """Return whether a refresh is due."""
        return self.remaining(now) <= self.advisory or now.monotonic >= self.recheck_at


class CacheOptions(NamedTuple):
    """The options of ``cached``. Durations are seconds."""

    refresh_window: float | None = None  # None for 5, 15 or 60 minutes, depending on the lifetime
    recheck_after: float | None = None  # None for never
    stale_ok: bool = False
    spread_first_refresh: bool = False
    observer: Observer | None = None


DEFAULT_OPTIONS = CacheOptions()


def schedule(
    credentials: Credentials,
    now: ClockReading,
    jitter: float,
    options: CacheOptions = DEFAULT_OPTIONS,
    *,
    is_first: bool = False,
    may_prompt_user: bool = False,
) -> CachedCredentials:
    """Return credentials that have just arrived, with windows that follow from their remaining lifetime.

    ``jitter`` is a random number, at least 0 and below 1. ``is_first``: nothing valid was cached, or the last
    attempt failed.
    ``may_prompt_user``: a refresh may prompt the user, so none starts before the expiration.
    """
    recheck_at = recheck_time(options, now)
    if credentials.expiration is None:
        return CachedCredentials(credentials, math.inf, math.inf, 0.0, 0.0, recheck_at)
    wall_expiration = credentials.expiration.timestamp()
    remaining = wall_expiration - now.wall
    if may_prompt_user:
        advisory, mandatory = 0.0, 0.0
    elif credentials.original_expiration is not None:
        advisory, mandatory = min(EXTENDED_WINDOW, remaining / 2), 0.0
    else:
        window = advisory_window(remaining) if options.refresh_window is None else options.refresh_window
        advisory = min(window, remaining / 2) * (1 - JITTER_FRACTION * jitter)
        if is_first and options.spread_first_refresh:
            advisory += ((1 - EARLIEST_FIRST_REFRESH) * remaining - advisory) * (1 - jitter)
        mandatory = min(MANDATORY_WINDOW, remaining / 4)
    return CachedCredentials(credentials, wall_expiration, now.monotonic + remaining, advisory, mandatory, recheck_at)


def recheck_time(options: CacheOptions, now: ClockReading) -> float:
    """Return when a refresh of credentials is due that have just arrived, whatever their expiration is."""
    return math.inf if options.recheck_after is None else now.monotonic + options.recheck_after
