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
from typing import TYPE_CHECKING, Any, Self

from .._core.errors import ProviderTimeoutError
from .event_loop import current_loop, new_cancel_scope, timers

if TYPE_CHECKING:
    from types import TracebackType

    from .event_loop import Timer

_current: ContextVar[Attempt | None] = ContextVar("anycreds_attempt", default=None)
_NOT_IN_ATTEMPT = nullcontext()


class TimeLimit:
    """A ``with`` that cancels its body after some seconds, and leaves the ``with`` then.

    After the event loop stood still (its process was stopped, or code blocked it), a limit may have passed that nothing
    used: what has been received meanwhile is seen only in the next passes of the loop. So a limit that ends too late is
    extended once, by the time that it is late, but not by more than its own length. One that ends on time gets one more
    pass of the loop, in which no time passes: what is ready at the same moment is still seen.
    """

    __slots__ = ("_end", "_is_extended", "_scope", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_extended = False
        self._scope: Any = None
        self._timer: Timer | None = None

    def __enter__(self) -> None:
        self._begin(self._seconds)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._stop()
        return bool(self._scope.__exit__(kind, error, traceback))

    def _begin(self, seconds: float, *, is_cancelled: bool = False) -> None:
        self._scope = new_cancel_scope()
        if is_cancelled:
            self._scope.cancel()
        self._scope.__enter__()
        self._start(seconds)

    def _start(self, seconds: float) -> None:
        try:
            loop = timers()
            self._end = loop.time() + seconds
            self._timer = loop.call_at(self._end, self._expire)
        except RuntimeError:  # trio has ended its system tasks already, and finalizes asynchronous generators
            import anyio

            self._scope.deadline = self._end = anyio.current_time() + seconds

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        if self._is_extended:
            self._scope.cancel()
        else:
            self._is_extended = True
            self._start(min(max(0.0, timers().time() - self._end), self._seconds))


class LateTimeLimit(TimeLimit):
    """A ``TimeLimit`` whose body calls ``begin`` before it waits.

    Connecting to this machine and sending a request take no wait. So the server works while the cancel scope is made.
    """

    __slots__ = ("_entered",)

    def __enter__(self) -> Self:  # type: ignore[override]
        self._entered = timers().time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return self._scope is not None and super().__exit__(kind, error, traceback)

    def begin(self) -> None:
        """Make the cancel scope. Only the first call has an effect."""
        if self._scope is None:
            self._begin(self._seconds + self._entered - timers().time())


class Deadline(TimeLimit):
    """A ``with`` that cancels its body after some seconds, and then raises ``ProviderTimeoutError``.

    ``waiting_for`` is what the error names; the body may change it. ``cancel`` ends the body without an error.
    """

    __slots__ = ("_is_cancelled", "_pauses", "_remaining", "waiting_for")

    def __init__(self, seconds: float, waiting_for: str) -> None:
        super().__init__(seconds)
        self._is_cancelled = False
        self.waiting_for = waiting_for
        self._pauses = 0
        self._remaining = math.inf

    def __enter__(self) -> None:
        self._begin(self._seconds, is_cancelled=self._is_cancelled)

    def cancel(self) -> None:
        """Cancel the body, now or when it begins."""
        self._is_cancelled = True
        if self._scope is not None:
            self._scope.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._leave()
        try:
            super().__exit__(kind, error, traceback)
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
        if self._pauses == 0:
            self._remaining = self._end - timers().time()
            self._stop()
            self._end = math.inf
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if self._pauses == 0:
                with suppress(RuntimeError):  # the loop was closed with this task in it
                    self._start(self._remaining)


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
