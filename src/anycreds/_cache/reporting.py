"""Reports the end of a refresh: to the observer, and failures that no caller sees to the log."""

from __future__ import annotations

from .._core.events import Observer, Refreshed, ServedStale
from .._core.logs import log
from .._core.observer import notify_observer
from .refresh_results import RefreshResult
from .refresh_windows import ClockReading


def report_result(
    name: str, observer: Observer | None, result: RefreshResult, now: ClockReading, *, seconds: float
) -> None:
    """Report what a refresh has changed. ``seconds``: how long the attempt took."""
    if result.event in ("failed", "extended"):
        _report_failure(name, observer, result, now)
    if result.event != "refreshed" or result.credentials is None:
        return
    notify_observer(observer, Refreshed(name, seconds, result.credentials))
    if result.previous is not None:
        old, new = result.previous.credentials.source, result.credentials.source
        if old != new:
            log("cache", "warning", "%s: credentials now come from %s; before, from %s", name, new, old)


def _report_failure(name: str, observer: Observer | None, result: RefreshResult, now: ClockReading) -> None:
    """Report that cached credentials are returned although their refresh has failed, if there are any."""
    if result.cached is None or result.failure is None:
        return
    credentials, remaining = result.cached.credentials, max(result.cached.remaining(now), 0.0)
    log(
        "cache",
        "warning",
        "%s: the refresh failed; returning %s, which expires in %.0f s%s; next attempt in %.0f s: %s",
        name,
        credentials.access_key_id,
        remaining,
        " (extended)" if result.event == "extended" else "",
        result.failure.next_attempt_at - now.monotonic,
        result.failure.error,
    )
    if remaining > 0:
        notify_observer(observer, ServedStale(name, credentials, remaining, result.failure.error))
