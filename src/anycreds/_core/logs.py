"""Reports what happens: to the standard loggers ``anycreds.*``, and to the observer of the current refresh.

No record contains a secret.

``logging`` is imported when the first record is written, since importing it takes milliseconds: most programs that only
need access keys from environment variables on trio never load it. Exceptions from a handler or filter of the program
are suppressed, so that they do not prevent a call from returning credentials.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from logging import Logger

    from .events import Event, Observer

Level: TypeAlias = Literal["debug", "info", "warning", "error"]

_NUMBERS = {"debug": 10, "info": 20}  # of `logging`, which may not be imported

# The observer of the refresh that the current code is a part of.
_watching: ContextVar[Observer | None] = ContextVar("anycreds_observer", default=None)


def log(component: str, level: Level, message: str, *arguments: object) -> None:
    """Write a record to the logger ``anycreds.<component>``, with ``%`` formatting."""
    if level in ("debug", "info") and not (
        "logging" in sys.modules and _logger(component).isEnabledFor(_NUMBERS[level])
    ):
        return  # as in most programs; without the module, none has configured a level below WARNING
    with suppress(Exception):
        getattr(_logger(component), level)(message, *arguments)


@cache  # finding a logger takes as long as the rest of a log call, and a chain writes a dozen records
def _logger(component: str) -> Logger:
    import logging

    top = logging.getLogger("anycreds")
    if not top.handlers:  # else Python would print warnings in a program that does not configure logging
        top.addHandler(logging.NullHandler())
    return logging.getLogger(f"anycreds.{component}")


def watch(observer: Observer | None) -> None:
    """Set the observer of all events in the current context; None for no observer."""
    _watching.set(observer)


def is_observed(observer: Observer | None = None) -> bool:
    """Return whether events matter: to this observer, to that of the current refresh, or to the log.

    Programs without either do not import the classes of events.
    """
    if observer is not None or _watching.get() is not None:
        return True
    return "logging" in sys.modules and _logger("events").isEnabledFor(10)  # logging.DEBUG


def notify(event: Event) -> None:
    """Pass an event to the observer of the current refresh."""
    notify_observer(_watching.get(), event)


def notify_observer(observer: Observer | None, event: Event) -> None:
    """Pass an event to an observer, if there is one, and log the events that are not logged where they occur."""
    from .events import AttemptFailed, AttemptStarted, Refreshed

    if isinstance(event, AttemptStarted | AttemptFailed | Refreshed):
        log("events", "debug", "%s", event)
    if observer is None:
        return
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - the user's function must not affect the callers of the provider
        log("events", "error", "the observer raised %s at %s", type(error).__name__, type(event).__name__)
