"""How long ``serve`` lives: no longer than its parent, its standard input or as was asked, and until a signal."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

TICK = 0.25  # seconds between two looks: soon enough for people, too seldom to cost anything
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")
_RECEIVE = 64 * 1024


class Life:
    """What ends it. ``process``: the one that it ends with; None: its parent. ``seconds``: its longest life."""

    __slots__ = ("_ends_at", "_parent", "_process", "_until_eof", "is_ended")

    def __init__(self, process: int | None, seconds: float | None, *, until_eof: bool) -> None:
        self._process = process
        self._parent = os.getppid()
        self._ends_at = None if seconds is None else monotonic() + seconds
        self._until_eof = until_eof
        self.is_ended = False

    def is_over(self) -> bool:
        """Tell whether it has to end."""
        if self.is_ended or (self._ends_at is not None and monotonic() >= self._ends_at):
            return True
        if self._process is None:
            return os.getppid() != self._parent or (self._until_eof and _at_end(0))
        return not is_alive(self._process) or (self._until_eof and _at_end(0))

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Let signals end it, so that it leaves nothing behind, while the ``with`` lasts."""

        def end(*_: object) -> None:
            self.is_ended = True

        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {one: handler for one in numbers if (handler := signal.getsignal(one)) is not signal.SIG_IGN}
        for one in before:
            signal.signal(one, end)
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def is_alive(process: int) -> bool:
    """Tell whether a process runs. For POSIX only: elsewhere, the question would end it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


def _at_end(descriptor: int) -> bool:
    """Tell whether nothing more can come; what came is not of interest."""
    try:
        ready, _, _ = select.select([descriptor], [], [], 0)
        return bool(ready) and not os.read(descriptor, _RECEIVE)
    except (OSError, ValueError):  # it was never open, or its terminal has gone
        return True
