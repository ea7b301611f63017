"""Deadlines: one for each attempt to get credentials, which stands still while the user is prompted.

The attempt that code is a part of is in a context variable, so that whatever waits for something with a deadline of its
own (a prompt, another provider's refresh) can pause it. An attempt may run inside another one: a user's function in a
chain may await a provider. A pause then holds for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING

from .._core.errors import ProviderTimeoutError
from .event_loop import current_loop

if TYPE_CHECKING:
    from types import TracebackType

_current: ContextVar[Attempt | None] = ContextVar("anycreds_attempt", default=None)
_NOT_IN_ATTEMPT = nullcontext()


class Deadline:
    """A ``with`` that cancels its body after some seconds, and then raises ``ProviderTimeoutError``.

    ``waiting_for`` is what the error names; the body may change it. ``cancel`` ends the body without an error.
    """

    __slots__ = ("_is_cancelled", "_pauses", "_remaining", "_scope", "_seconds", "waiting_for")

    def __init__(self, seconds: float, waiting_for: str) -> None:
        self._is_cancelled = False
        self._seconds = seconds
        self.waiting_for = waiting_for
        self._pauses = 0
        self._remaining = math.inf

    def __enter__(self) -> None:
        import anyio

        self._scope = anyio.CancelScope(deadline=anyio.current_time() + self._seconds)
        if self._is_cancelled:
            self._scope.cancel()
        self._scope.__enter__()

    def cancel(self) -> None:
        """Cancel the body, now or when it begins."""
        self._is_cancelled = True
        if hasattr(self, "_scope"):  # it has begun
            self._scope.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._leave()
        try:
            self._scope.__exit__(kind, error, traceback)
        except Exception:
            if not self._scope.cancelled_caught:
                raise  # otherwise it left a task group together with the cancellation, which is its reason
        else:
            if not self._scope.cancelled_caught:
                return False
        if self._is_cancelled:
            return True
        del error, traceback  # the cancellation and its frames, which may hold requests; a traceback keeps this frame
        timeout = ProviderTimeoutError(f"no response within {self._seconds:g} s", source=self.waiting_for)
        try:
            raise timeout
        finally:
            timeout.__context__ = None  # the cancellation again

    def _leave(self) -> None:
        """Forget what is noted while the body runs."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the deadline stand still in a ``with``. Several may overlap."""
        import anyio

        if self._pauses == 0:
            self._remaining = self._scope.deadline - anyio.current_time()
            self._scope.deadline = math.inf
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0:
                with suppress(RuntimeError):  # the loop was closed with this task in it
                    self._scope.deadline = anyio.current_time() + self._remaining


class Attempt(Deadline):
    """The deadline of one attempt. While it is open, ``pause_attempt`` finds it."""

    __slots__ = ("_is_open", "_loop", "outer")

    def __enter__(self) -> None:
        self._loop = current_loop()
        self.outer = _current.get()
        self._is_open = True
        super().__enter__()
        _current.set(self)

    def _leave(self) -> None:
        self._is_open = False
        _current.set(self.outer)

    def is_open_in(self, loop: Hashable) -> bool:
        """Return whether the attempt runs in this event loop: the deadline of another loop must not be touched."""
        return self._is_open and self._loop == loop


def pause_attempt() -> AbstractContextManager[None]:
    """Return a ``with`` that pauses the attempt that this code is a part of, and those around it; see ``Runtime``."""
    attempt = _current.get()
    return _NOT_IN_ATTEMPT if attempt is None else _paused(attempt)


@contextmanager
def _paused(attempt: Attempt | None) -> Iterator[None]:
    loop = current_loop()
    with ExitStack() as stack:
        while attempt is not None:
            if attempt.is_open_in(loop):
                stack.enter_context(attempt.paused())
            attempt = attempt.outer
        yield


def leave_attempts(context: Context) -> None:
    """Let code that runs in this context be a part of no attempt."""
    context.run(_current.set, None)
