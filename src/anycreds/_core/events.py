"""The events that an ``observer`` gets: immutable values without printable secrets.

``cached`` and ``from_default_chain`` take an observer. It is called synchronously in the task or thread in which the
event occurs, never while a lock is held, and must return quickly. Its exceptions are logged and have no other effect.
The loggers ``anycreds.*`` get a record of every event except ``Waited``.

The attribute ``provider`` of an event is the name of a provider, as in ``Credentials.source``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from .credentials import Credentials
from .errors import CredentialsError


class AttemptStarted(NamedTuple):
    """Emitted before the source of a cached provider, or a provider of a chain, is called."""

    provider: str
    """The name of the provider that is called."""


class AttemptFailed(NamedTuple):
    """Emitted when that call raises an error."""

    provider: str
    """The name of the provider that was called."""
    seconds: float
    """The duration of the call."""
    error: CredentialsError
    """The error that it raised."""


class Refreshed(NamedTuple):
    """Emitted when the cache has stored new credentials."""

    provider: str
    """The name of the cached provider."""
    seconds: float
    """The duration of the refresh."""
    credentials: Credentials
    """The new credentials."""


class ServedStale(NamedTuple):
    """Emitted when a refresh failed and the cache continues to return the credentials that it has.

    They are still valid, or their expiration was extended because their source is unavailable.
    """

    provider: str
    """The name of the cached provider."""
    credentials: Credentials
    """The cached credentials."""
    left: float
    """The seconds until they expire."""
    error: CredentialsError
    """The error of the refresh."""


class Waited(NamedTuple):
    """Emitted when a caller had to wait for a refresh."""

    provider: str
    """The name of the cached provider."""
    seconds: float
    """The duration of the wait."""


class Invalidated(NamedTuple):
    """Emitted when ``invalidate`` has removed cached credentials, because a service rejected them."""

    provider: str
    """The name of the cached provider."""
    credentials: Credentials
    """The removed credentials."""


class CacheWriteFailed(NamedTuple):
    """Emitted when a refreshed token, or credentials of ``disk_cached``, could not be written to their file.

    They are then cached in memory only.
    """

    provider: str
    """The name of the provider."""
    path: str
    """The path of the file, for display: with ``~`` for the home directory."""
    detail: str
    """Why it could not be written."""


Event: TypeAlias = AttemptStarted | AttemptFailed | Refreshed | ServedStale | Waited | Invalidated | CacheWriteFailed
"""Any event."""
Observer: TypeAlias = Callable[[Event], None]
"""A function that is called with every event. See ``cached``."""
