"""What is said of the end of a refresh: to an observer, and on the loggers what nobody else is told."""

from __future__ import annotations

from .._core.events import Observer, Refreshed, ServedStale
from .._core.logs import log
from .._core.observer import notify_observer
from . import refresh_windows as windows


def report(
    name: str,
    observer: Observer | None,
    before: windows.Held | None,
    landing: windows.Landing,
    now: windows.Moment,
    *,
    took: float,
    came_again: bool,
) -> None:
    """Say how it ended. ``before`` is what was cached, ``took`` is in seconds.

    ``came_again``: the source gave a set that was invalidated.
    """
    if landing.event == "arrived" and landing.credentials is not None:
        notify_observer(observer, Refreshed(name, took, landing.credentials))
    if landing.event in ("failed", "stale"):
        _report_failure(name, observer, landing, now)
    if came_again:
        log("cache", "warning", "%s: the source gave the invalidated set again; serving it", name)
    if before is not None and landing.event == "arrived" and landing.held is not None:
        old, new = before.credentials.source, landing.held.credentials.source
        if old != new:
            log("cache", "warning", "%s: credentials now come from %s; before, from %s", name, new, old)


def _report_failure(name: str, observer: Observer | None, landing: windows.Landing, now: windows.Moment) -> None:
    """Say that a set is served on, though its refresh has failed. If there is none, the callers get the error."""
    if landing.held is None or landing.setback is None:
        return
    left = max(landing.held.left(now), 0.0)
    log(
        "cache",
        "warning",
        "%s: the refresh failed; serving %s, %.0f s left%s; next try in %.0f s: %s",
        name,
        landing.held.credentials.access_key_id,
        left,
        " by an extended expiration" if landing.event == "stale" else "",
        landing.setback.retry_at - now.monotonic,
        landing.setback.error,
    )
    if left > 0:
        notify_observer(observer, ServedStale(name, landing.held.credentials, left, landing.setback.error))
