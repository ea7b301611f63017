"""How a refresh can end, and what exceptions of its source stand for."""

from __future__ import annotations

from typing import NamedTuple

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, RetrievalError


class Outcome(NamedTuple):
    """How a refresh ended: with credentials, with an error, or with neither, which means abandoned."""

    credentials: Credentials | None = None
    error: CredentialsError | None = None


ABANDONED = Outcome()


def wrapped(name: str, error: BaseException) -> RetrievalError:
    """Return the error for an exception that no provider raises."""
    wrapped = RetrievalError(f"failed with {type(error).__name__}", source=name, hint="see the cause of this error")
    return wrapped._keep_cause(error)


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
