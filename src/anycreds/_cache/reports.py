"""Reports what has changed in a cache: to the observer, and to the log.

Most programs have no observer. They do not import the classes of events, which takes half a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.logs import is_observed, log, notify_observer

if TYPE_CHECKING:
    from .._core.credentials import Credentials
    from .._core.events import Observer
    from .refresh_results import RefreshResult
    from .refresh_windows import ClockReading


def report_refresh(
    name: str, observer: Observer | None, result: RefreshResult, now: ClockReading, seconds: float
) -> None:
    """Report what a refresh has changed to the observer, and a failure that no caller sees to the log."""
    if result.event == "refreshed" and result.credentials is not None:
        if is_observed(observer):
            from .._core.events import Refreshed

            notify_observer(observer, Refreshed(name, seconds, result.credentials))
        old = result.previous.credentials.source if result.previous is not None else result.credentials.source
        if old != result.credentials.source:
            message = "%s: credentials now come from %s; before, from %s"
            log("cache", "warning", message, name, result.credentials.source, old)
    elif result.event != "unchanged" and result.cached is not None and result.failure is not None:
        credentials, error = result.cached.credentials, result.failure.error
        remaining = max(result.cached.remaining(now), 0.0)
        next_in = result.failure.next_attempt_at - now.monotonic
        suffix = " (extended)" if result.event == "extended" else ""
        message = "%s: the refresh failed; %s expires in %.0f s%s; next attempt in %.0f s: %s"
        log("cache", "warning", message, name, credentials.access_key_id, remaining, suffix, next_in, error)
        if remaining > 0:
            from .._core.events import ServedStale

            notify_observer(observer, ServedStale(name, credentials, remaining, error))


def report_invalidation(name: str, observer: Observer | None, credentials: Credentials) -> None:
    """Report that cached credentials were dropped."""
    from .._core.events import Invalidated

    log("cache", "info", "%s: invalidated the cached credentials %s", name, credentials.access_key_id)
    notify_observer(observer, Invalidated(name, credentials))


def report_repeated(name: str) -> None:
    """Report that the source returned credentials again that were invalidated."""
    log("cache", "warning", "%s: the source returned the invalidated credentials again", name)
