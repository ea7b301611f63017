"""Computes what an attempt changes that has just ended: what is cached now, and when the next attempt may start.

Plain functions of values. All times are in seconds. See ``docs/design/cache.md``, "Failures" and "Unchanged responses".
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, RetrievalError
from .._core.static_stability import extended
from .refresh_windows import EXPIRED, NOT_URGENT, CachedCredentials, CacheOptions, ClockReading, recheck_time, schedule

# The next attempt after a failure outside the mandatory window: a random time between these (the AWS SDKs' common
# refresh behavior of 2026).
ADVISORY_BACKOFF = (5 * 60.0, 10 * 60.0)
# The next attempts after failures in the mandatory window: 1 s, 2 s, 4 s … up to 30 s. So no failure causes more than
# one call per second.
FIRST_BACKOFF, MAX_BACKOFF = 1.0, 30.0
# Without valid credentials up to 5 s: callers get nothing but the error, and must notice soon that the source is back.
MAX_BACKOFF_IF_EXPIRED = 5.0
# EC2 metadata returns this code, with HTTP status 200, when the role of the instance cannot be assumed.
_DEFINITIVE_CODES = frozenset(("AssumeRoleUnauthorizedAccess",))


class RefreshFailure(NamedTuple):
    """The last attempt, which returned an error, or no newer credentials. Times are monotonic."""

    error: CredentialsError
    unchanged: bool  # the source returned the cached credentials again
    urgency: int  # how urgent the refresh was when the attempt ended
    ended_at: float
    next_attempt_at: float
    consecutive_failures: int  # with this urgency; 0 if the refresh was not urgent

    def retry_at(self, urgency: int) -> float:
        """Return the earliest time of the next attempt.

        If the refresh has become more urgent since the failure, the backoff is one second only.
        """
        return self.next_attempt_at if urgency <= self.urgency else self.ended_at + FIRST_BACKOFF

    def is_backing_off(self, now: ClockReading, urgency: int) -> bool:
        """Return whether it is too early for the next attempt."""
        return now.monotonic < self.retry_at(urgency)


class RefreshResult(NamedTuple):
    """What an attempt has changed."""

    previous: CachedCredentials | None
    cached: CachedCredentials | None
    failure: RefreshFailure | None  # None after a success
    credentials: Credentials | None  # what the waiting callers get; None if they get the error
    event: Literal["refreshed", "unchanged", "extended", "failed"]
    """How the attempt ended. "extended": it failed, and the cached credentials got a later expiration."""


def apply_credentials(
    cached: CachedCredentials | None,
    failure: RefreshFailure | None,
    credentials: Credentials,
    now: ClockReading,
    jitter: float,
    *,
    options: CacheOptions,
    may_prompt_user: bool = False,
) -> RefreshResult:
    """Return what changes when an attempt has just returned credentials."""
    if cached is None or not is_unchanged(credentials, cached, now):
        is_after_outage = failure is not None and not failure.unchanged
        is_first = cached is None or is_after_outage or _has_expired(cached, now)
        refreshed = schedule(credentials, now, jitter, options, is_first=is_first, may_prompt_user=may_prompt_user)
        return RefreshResult(cached, refreshed, None, credentials, "refreshed")
    previous, cached = cached, cached._replace(recheck_at=recheck_time(options, now))
    if cached.wall_expiration != math.inf:  # without an expiration, ``recheck_after`` expects the same keys
        error = RetrievalError("the source returned no newer credentials than the cached ones")
        failure = record_failure(failure, error, cached, now, jitter, unchanged=True)
    else:
        failure = None
    return RefreshResult(previous, cached, failure, cached.credentials, "unchanged")


def is_unchanged(new: Credentials, cached: CachedCredentials, now: ClockReading, *, any_key: bool = False) -> bool:
    """Return whether new credentials are no better than the cached ones, if those are still valid.

    They are not if their expiration was extended, or if they have the same key, or ``any_key``, and expire no later.
    Without an expiration they are if anything has changed.
    """
    if cached.remaining(now) <= 0:
        return False
    is_extended, was_extended = new.original_expiration is not None, cached.credentials.original_expiration is not None
    if is_extended != was_extended:
        return is_extended  # a real expiration is better than an extended one, even if that is later
    if not any_key and new.access_key_id != cached.credentials.access_key_id:
        return False
    if not any_key and new.expiration is None and new != cached.credentials:
        return False  # in a file, a secret was corrected
    return (math.inf if new.expiration is None else new.expiration.timestamp()) <= cached.wall_expiration


def apply_error(
    cached: CachedCredentials | None,
    failure: RefreshFailure | None,
    error: CredentialsError,
    now: ClockReading,
    jitter: float,
    *,
    allows_stale: bool = False,
) -> RefreshResult:
    """Return what changes when an attempt has just failed.

    ``allows_stale``: the cached credentials may be returned past their expiration while the source is down.
    """
    if cached is None or not (allows_stale and _is_outage(error) and _has_expired(cached, now)):
        return RefreshResult(cached, cached, record_failure(failure, error, cached, now, jitter), None, "failed")
    later = schedule(extended(cached.credentials, now.wall, jitter), now, jitter)
    failure = record_failure(failure, error, later, now, jitter)
    return RefreshResult(cached, later, failure, later.credentials, "extended")


def _is_outage(error: CredentialsError) -> bool:
    """Return whether the source may only be down, rather than reject the request. HTTP 429 is no rejection."""
    if not isinstance(error, RetrievalError) or error.code in _DEFINITIVE_CODES:
        return False
    return error.status is None or not 400 <= error.status < 500 or error.status == 429


def _has_expired(cached: CachedCredentials, now: ClockReading) -> bool:
    """Return whether credentials have expired, or had expired before their expiration was extended."""
    return cached.credentials.expiration is not None and (
        cached.remaining(now) <= 0 or cached.credentials.original_expiration is not None
    )


def record_failure(
    previous: RefreshFailure | None,
    error: CredentialsError,
    cached: CachedCredentials | None,
    now: ClockReading,
    jitter: float,
    *,
    unchanged: bool = False,
) -> RefreshFailure:
    """Return an attempt that has just failed, with the time of the next one.

    Outside the mandatory window the next attempt starts after 5 to 10 minutes, but not later than that window.
    """
    urgency = EXPIRED if cached is None else cached.urgency(now)
    if cached is not None and urgency == NOT_URGENT:
        latest = cached.remaining(now) - (cached.mandatory or cached.advisory)
        shortest, longest = ADVISORY_BACKOFF
        backoff = max(min(shortest + (longest - shortest) * jitter, latest), FIRST_BACKOFF)
        return RefreshFailure(error, unchanged, urgency, now.monotonic, now.monotonic + backoff, 0)
    is_repeated = previous is not None and previous.urgency == urgency
    failures = previous.consecutive_failures + 1 if previous is not None and is_repeated else 1
    longest = MAX_BACKOFF_IF_EXPIRED if urgency == EXPIRED else MAX_BACKOFF
    backoff = min(FIRST_BACKOFF * 2.0 ** min(failures - 1, 10), longest)
    return RefreshFailure(error, unchanged, urgency, now.monotonic, now.monotonic + backoff, failures)
