"""Telling an observer what happens; what it raises is logged and changes nothing."""

from __future__ import annotations

from contextvars import ContextVar

from .events import AttemptFailed, AttemptStarted, Event, Observer, Refreshed
from .logs import log

# Whoever watches the refresh that this code is a part of.
_watching: ContextVar[Observer | None] = ContextVar("anycreds_observer", default=None)


def watch(observer: Observer | None) -> None:
    """Let what happens in this context from now on be told to this observer; None: to nobody."""
    _watching.set(observer)


def notify(event: Event) -> None:
    """Tell whoever watches the refresh that this code is a part of."""
    notify_observer(_watching.get(), event)


def notify_observer(observer: Observer | None, event: Event) -> None:
    """Tell one observer, and the logger what is not told there anyway; None: only that."""
    if isinstance(event, AttemptStarted | AttemptFailed | Refreshed):
        log("events", "debug", "%s", event)
    if observer is None:
        return
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - it is foreign code, and who waits for credentials has done nothing wrong
        log("events", "error", "the observer raised %s at %s", type(error).__name__, type(event).__name__)
