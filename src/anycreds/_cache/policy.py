"""Decides what one caller gets: the cached credentials, an error, or a refresh and whether to wait for it.

Plain functions of what is cached and of the time, so that a decision can be tested without tasks or clocks. All times
are in seconds. See ``docs/design/cache.md``, "Decide".
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .._core.errors import CredentialsError
from .known_files import CHECK_INTERVAL, NO_FILES, KnownFiles
from .refresh_results import RefreshFailure
from .refresh_windows import EXPIRED, MANDATORY, NOT_URGENT, CachedCredentials, ClockReading

# How long callers wait in the mandatory window before they get the credentials that are still valid: short enough that
# no request misses its own deadline because of the wait.
MAX_WAIT_IN_MANDATORY_WINDOW = 5.0
# A hit reads one clock only, so both clocks are read again after this long, and files are checked.
MAX_FAST_PATH = CHECK_INTERVAL
# How long a ``min_ttl`` that could not be satisfied is rejected without another attempt. Also how long credentials stay
# cached, in spite of ``invalidate``, after the source has returned them again.
REJECTION_TTL = 5 * 60.0


class MinTtlRejection(NamedTuple):
    """A recent request for a ``min_ttl`` that the source could not satisfy."""

    min_ttl: float
    until: float


class CacheSnapshot(NamedTuple):
    """What a decision depends on, besides the time."""

    cached: CachedCredentials | None = None  # valid or not
    failure: RefreshFailure | None = None  # the last attempt, if it failed
    rejection: MinTtlRejection | None = None
    files: KnownFiles = NO_FILES


class Decision(NamedTuple):
    """What one caller gets."""

    needs_refresh: bool = False  # the caller joins the refresh in progress, or starts one
    max_wait: float = 0.0  # how long it waits for the refresh before it gets what is cached
    error: CredentialsError | None = None  # is raised instead
    lifetime_too_short: bool = False  # ``LifetimeTooShortError`` is raised instead


# The decisions without an error, made once: ten thousand callers may decide at the same time.
SERVE = Decision()
REFRESH_IN_BACKGROUND = Decision(needs_refresh=True)
WAIT = Decision(needs_refresh=True, max_wait=math.inf)
WAIT_BRIEFLY = Decision(needs_refresh=True, max_wait=MAX_WAIT_IN_MANDATORY_WINDOW)
LIFETIME_TOO_SHORT = Decision(lifetime_too_short=True)


def decide(
    snapshot: CacheSnapshot,
    now: ClockReading,
    min_ttl: float | None = None,
    *,
    is_refreshing: bool = False,
    force: bool = False,
) -> Decision:
    """Return what a caller gets, by the first rule that applies.

    ``is_refreshing``: a refresh is in progress. ``force``: the caller wants a refresh now.
    """
    if force:
        return WAIT
    cached, failure = snapshot.cached, snapshot.failure
    urgency = EXPIRED if cached is None else cached.urgency(now)
    if cached is None or urgency == EXPIRED:
        if not is_refreshing and (error := _remembered_error(failure, now)):
            return Decision(error=error)
        return WAIT
    if min_ttl is not None and cached.remaining(now) < min_ttl:
        return _decide_for_min_ttl(snapshot, now, min_ttl, is_refreshing=is_refreshing)
    is_backing_off = failure is not None and failure.is_backing_off(now, urgency)
    if is_backing_off or not (cached.refresh_due(now) or urgency == MANDATORY):
        return SERVE
    return WAIT_BRIEFLY if urgency == MANDATORY else REFRESH_IN_BACKGROUND


def _decide_for_min_ttl(snapshot: CacheSnapshot, now: ClockReading, min_ttl: float, *, is_refreshing: bool) -> Decision:
    rejection, failure = snapshot.rejection, snapshot.failure
    if rejection is not None and now.monotonic < rejection.until and min_ttl >= rejection.min_ttl:
        return LIFETIME_TOO_SHORT
    if not is_refreshing and failure is not None and (error := _remembered_error(failure, now)):
        return LIFETIME_TOO_SHORT if failure.unchanged else Decision(error=error)
    return WAIT


def _remembered_error(failure: RefreshFailure | None, now: ClockReading) -> CredentialsError | None:
    """Return the error that stands for the next attempt, while it is too early for one; None if there is none.

    An error is remembered only if the source was called. A missing setting may be there the next moment, and costs no
    call.
    """
    if failure is None or not failure.error._source_was_called or not failure.is_backing_off(now, EXPIRED):
        return None
    return failure.error


def fast_path_duration(snapshot: CacheSnapshot, now: ClockReading, *, is_refreshing: bool = False) -> float:
    """Return for how long every caller without ``min_ttl`` gets the cached credentials, without a decision."""
    cached, failure = snapshot.cached, snapshot.failure
    if cached is None:
        return 0.0
    remaining, urgency = cached.remaining(now), cached.urgency(now)
    # Half, because the wall clock may be set back within this time: then it lasts twice as long.
    duration = min(MAX_FAST_PATH, remaining / 2, snapshot.files.check_at - now.monotonic)
    if failure is not None and failure.is_backing_off(now, urgency):
        duration = min(duration, failure.retry_at(urgency) - now.monotonic)
    elif urgency == MANDATORY:
        return 0.0
    elif not is_refreshing:
        duration = min(duration, remaining - cached.advisory, cached.recheck_at - now.monotonic)
    if urgency == NOT_URGENT:
        duration = min(duration, remaining - cached.mandatory)
    return max(duration, 0.0)


def next_refresh_in(snapshot: CacheSnapshot, now: ClockReading) -> float:
    """Return in how many seconds the next refresh, or check of files, is due, for ``keep_fresh``."""
    cached, failure, check_at = snapshot.cached, snapshot.failure, snapshot.files.check_at
    urgency = EXPIRED if cached is None else cached.urgency(now)
    if failure is not None and failure.is_backing_off(now, urgency):
        wait = min(failure.retry_at(urgency), check_at) - now.monotonic
        if cached is None or urgency != MANDATORY:
            return wait
        # Sooner if they expire meanwhile. The backoff of a refresh that is not urgent ends before it becomes so.
        return min(wait, max(cached.remaining(now), failure.retry_at(EXPIRED) - now.monotonic))
    if cached is None or urgency != NOT_URGENT:
        return 0.0
    return max(0.0, min(cached.remaining(now) - cached.advisory, min(cached.recheck_at, check_at) - now.monotonic))
