"""Passes events to the observer of the current refresh, and to the loggers."""

from __future__ import annotations

from contextvars import ContextVar

from .events import AttemptFailed, AttemptStarted, Event, Observer, Refreshed
from .logs import log

# The observer of the refresh that the current code is a part of.
_watching: ContextVar[Observer | None] = ContextVar("anycreds_observer", default=None)


def watch(observer: Observer | None) -> None:
    """Set the observer of all events in the current context; None for no observer."""
    _watching.set(observer)


def notify(event: Event) -> None:
    """Pass an event to the observer of the current refresh."""
    notify_observer(_watching.get(), event)


def notify_observer(observer: Observer | None, event: Event) -> None:
    """Pass an event to an observer, if there is one, and log the events that are not logged where they occur."""
    if isinstance(event, AttemptStarted | AttemptFailed | Refreshed):
        log("events", "debug", "%s", event)
    if observer is None:
        return
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - the user's function must not affect the callers of the provider
        log("events", "error", "the observer raised %s at %s", type(error).__name__, type(event).__name__)
