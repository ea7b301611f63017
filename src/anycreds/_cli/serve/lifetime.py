"""When ``serve`` ends: with a process, at the end of standard input, after some time, or by a signal."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

CHECK_INTERVAL = 0.25  # seconds; users do not notice the delay, and the checks take no measurable time
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_READ_SIZE = 64 * 1024


class Lifetime:
    """Decides when the server ends: with a process (None: the parent), or after ``seconds`` (None: no limit)."""

    __slots__ = ("_ends_at", "_parent", "_process", "_signalled", "_until_eof")

    def __init__(self, process: int | None, seconds: float | None, *, until_eof: bool) -> None:
        self._process = process
        self._parent = os.getppid()
        self._ends_at = None if seconds is None else monotonic() + seconds
        self._until_eof = until_eof
        self._signalled = False

    def is_over(self) -> bool:
        """Return whether the server has to end now."""
        if self._signalled or (self._ends_at is not None and monotonic() >= self._ends_at):
            return True
        has_process = os.getppid() == self._parent if self._process is None else is_running(self._process)
        return not has_process or (self._until_eof and _is_at_end(0))

    @contextmanager
    def handle_signals(self) -> Iterator[None]:
        """End the server on a signal, instead of the process at once, so that files are removed."""

        def end(*_: object) -> None:
            self._signalled = True

        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        # A signal that is ignored from the start, as with nohup, stays ignored.
        before = {one: handler for one in numbers if (handler := signal.getsignal(one)) is not signal.SIG_IGN}
        for one in before:
            signal.signal(one, end)
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def is_running(process: int) -> bool:
    """Return whether a process exists. On POSIX only: on Windows this call ends the process."""
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # other errors: it belongs to another user
    return True


def _is_at_end(descriptor: int) -> bool:
    """Return whether a file is at its end. Discard what can be read."""
    try:
        ready, _, _ = select.select([descriptor], [], [], 0)
        return bool(ready) and not os.read(descriptor, _READ_SIZE)
    except (OSError, ValueError):  # it was never open, or its terminal was closed
        return True
