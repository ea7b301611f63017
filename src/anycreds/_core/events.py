"""What an ``observer`` is told, in the order in which it happens: frozen values, none of which shows a secret.

``cached`` and ``from_default_chain`` take an observer. It is called at once, in the task or thread where it happens,
and never under a lock; it must be quick. What it raises is logged and changes nothing. The loggers ``anycreds.*``
say the same, but for waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from .credentials import Credentials
from .errors import CredentialsError


class AttemptStarted(NamedTuple):
    """A provider is asked: a cached one's source, or a link of a chain."""

    provider: str


class AttemptFailed(NamedTuple):
    """It had no credentials."""

    provider: str
    seconds: float
    error: CredentialsError


class Refreshed(NamedTuple):
    """A new set is cached."""

    provider: str
    seconds: float
    credentials: Credentials


class ServedStale(NamedTuple):
    """A refresh failed, and the set that is cached is served on: it is still valid, or its end was moved on."""

    provider: str
    credentials: Credentials
    left: float
    """Seconds until its end."""
    error: CredentialsError


class Waited(NamedTuple):
    """A caller had to wait for a refresh."""

    provider: str
    seconds: float


class Invalidated(NamedTuple):
    """A cached set was dropped, because a service refused it."""

    provider: str
    credentials: Credentials


class CacheWriteFailed(NamedTuple):
    """A refreshed token could not be written to the file that other programs read, too. It is kept in memory."""

    provider: str
    path: str
    """The file, as people are shown it."""
    detail: str


Event: TypeAlias = AttemptStarted | AttemptFailed | Refreshed | ServedStale | Waited | Invalidated | CacheWriteFailed
Observer: TypeAlias = Callable[[Event], None]
"""A function that is told what happens. See ``cached``."""
