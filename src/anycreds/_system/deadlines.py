"""A deadline as a ``with``: an error that says for whom, and that keeps nothing of what was going on."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

import anyio

from .._core.errors import CredentialsError, ProviderTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from .pausing import AttemptTime

    PauseDeadline: TypeAlias = Callable[[], AbstractContextManager[None]]


def _of_others(traceback: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins where our frames end: they hold requests."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] == "anycreds":
        traceback = traceback.tb_next
    return traceback


class Deadline:
    """A ``with`` that ends what runs in it after some seconds and then raises ``ProviderTimeoutError``.

    It runs by ``time``. ``held`` returns a ``with`` that is open for as long as this one.
    """

    __slots__ = ("_hold", "_scope", "_seconds", "_time", "_waiting_for")

    def __init__(self, seconds: float, waiting_for: str, time: AttemptTime, held: PauseDeadline | None = None) -> None:
        self._seconds = seconds
        self._waiting_for = waiting_for
        self._time = time
        self._hold = nullcontext() if held is None else held()
        self._scope = anyio.CancelScope()

    def __enter__(self) -> None:
        self._hold.__enter__()
        self._scope.__enter__()
        self._time.begin(self._scope, self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._time.end(self._scope)
        try:
            swallow = bool(self._scope.__exit__(kind, error, traceback))
        except Exception:
            if not self._scope.cancelled_caught:
                raise  # else it came out of a nursery together with the cancellation, of which this is the reason
        else:
            if not self._scope.cancelled_caught:
                if isinstance(error, CredentialsError):  # out of this Io, which does not know for whom it works
                    error.source = error.source or self._waiting_for
                    error.__traceback__ = None  # its frames hold requests
                elif error is not None:
                    error.__traceback__ = _of_others(traceback)
                return swallow
        finally:
            self._hold.__exit__(None, None, None)
        del error, traceback  # the cancellation and its frames, which hold requests; a traceback keeps this frame
        timeout = ProviderTimeoutError(f"gave no answer within {self._seconds:g} s", source=self._waiting_for)
        try:
            raise timeout
        finally:
            timeout.__context__ = None  # the cancellation again
