"""Attempts to get credentials from a provider, with the events that the observer gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .errors import CredentialsError
from .logs import is_observed, notify

if TYPE_CHECKING:
    from collections.abc import Callable

    from .credentials import Credentials
    from .events import Event
    from .io import ImmediateIo, Io
    from .provider import ClientContext, Provider

    FetchNow: TypeAlias = Callable[[ImmediateIo, ClientContext, list[Event]], Credentials | None]


# Seconds for one attempt: more than a working source takes.
ATTEMPT_TIMEOUT = 60.0


async def fetch_observed(provider: Provider, io: Io, context: ClientContext) -> Credentials:
    """Fetch credentials from a provider, and notify the observer of the start and of a failure."""
    if not is_observed():
        return await provider._fetch(io, context)
    from .events import AttemptFailed, AttemptStarted

    notify(AttemptStarted(provider.name))
    started = io.monotonic()
    try:
        return await provider._fetch(io, context)
    except CredentialsError as error:
        notify(AttemptFailed(provider.name, io.monotonic() - started, error))
        raise


def fetch_now_observed(
    provider: Provider, io: ImmediateIo, context: ClientContext, events: list[Event]
) -> Credentials | None:
    """Fetch credentials from a provider if that waits for nothing, with the events of ``fetch_observed``."""
    if not is_observed():
        return provider._fetch_now(io, context, events)
    from .events import AttemptFailed, AttemptStarted

    events.append(AttemptStarted(provider.name))
    started = io.monotonic()
    try:
        return provider._fetch_now(io, context, events)
    except CredentialsError as error:
        events.append(AttemptFailed(provider.name, io.monotonic() - started, error))
        raise


def answer_now(fetch_now: FetchNow, io: ImmediateIo, context: ClientContext) -> Credentials | None:
    """Return or raise what a function like ``Provider._fetch_now`` does; notify the observer unless that is None."""
    events: list[Event] = []
    is_answer = True
    try:
        credentials = fetch_now(io, context, events)
        is_answer = credentials is not None
        return credentials
    finally:
        for event in events if is_answer else ():
            notify(event)
