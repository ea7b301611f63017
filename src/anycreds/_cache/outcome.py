"""How a refresh can end, and what exceptions of its source stand for."""

from __future__ import annotations

from typing import NamedTuple

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, LifetimeTooShortError, RetrievalError


class Outcome(NamedTuple):
    """How a refresh ended: with credentials, with an error, or with neither, which means abandoned."""

    credentials: Credentials | None = None
    error: CredentialsError | None = None
    is_void: bool = False
    """Whether credentials were invalidated after the source was called: these may be the same, and are not cached."""


ABANDONED = Outcome()


def wrapped(name: str, error: BaseException) -> RetrievalError:
    """Return the error for an exception that no provider raises."""
    wrapped = RetrievalError(f"failed with {type(error).__name__}", source=name, hint="see the cause of this error")
    return wrapped._keep_cause(error)


def lifetime_too_short(name: str, remaining: float, min_ttl: float) -> LifetimeTooShortError:
    """Return the error for credentials of which less remains than ``min_ttl``."""
    return LifetimeTooShortError(
        f"the newest credentials are valid for {remaining:.0f} s; min_ttl is {min_ttl:.0f} s",
        source=name,
        hint="use a smaller min_ttl, or let the source issue credentials with a longer lifetime",
    )


def nothing_came(name: str, count: int) -> RetrievalError:
    """Return the error for a caller that has waited for so many refreshes in vain."""
    return RetrievalError(
        f"{count} consecutive refreshes were cancelled or expired before they could be used",
        source=name,
        hint="look for code that cancels all tasks, or that blocks the event loop",
    )


def is_cancellation(error: BaseException) -> bool:
    """Return whether an exception is, or a group contains, the cancellation of the task."""
    if isinstance(error, GeneratorExit):  # raised by a source, or by a closed loop, in which no backend is current
        return False
    import anyio

    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(cancelled) is not None
    return isinstance(error, cancelled)


def process_exit_in(error: BaseException) -> BaseException | None:
    """Return the ``KeyboardInterrupt`` or ``SystemExit`` that an exception is, or that a group contains."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := process_exit_in(part))), None)
    return None
