"""Reading the two pipes of a process in turns, with nothing kept beyond a limit and nothing left unread.

A process that writes to a full pipe stands still, so what is not kept is taken all the same.
"""

from __future__ import annotations

import os
import sys
from subprocess import Popen
from time import sleep
from typing import IO

# What is kept of stderr: its end, where a program says why it gives up.
STDERR_LIMIT = 4 * 1024
# Seconds between two looks at a silent process; the short one is for a process about to be gone.
STEP, SHORT_STEP = 0.02, 0.001
_CHUNK = 64 * 1024  # as much as a pipe of Linux holds


class Pipes:
    """What the two pipes of a process bring, as far as it is kept."""

    __slots__ = ("_limit", "_open", "_step", "stderr", "stdout")

    def __init__(self, process: Popen[bytes], limit: int) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdout, self.stderr = bytearray(), bytearray()
        self._limit = limit
        self._open: dict[int, tuple[IO[bytes], bytearray]] = {
            process.stdout.fileno(): (process.stdout, self.stdout),
            process.stderr.fileno(): (process.stderr, self.stderr),
        }
        self._step = SHORT_STEP

    @property
    def are_open(self) -> bool:
        """Tell whether anybody still holds one of them."""
        return bool(self._open)

    def take(self) -> None:
        """Take what is there, or wait for a moment in which something may come."""
        ready = _ready(list(self._open), STEP if self._open else self._step)
        # Without pipes nothing tells that the command is over: looked at often, then less and less.
        self._step = SHORT_STEP if self._open else min(STEP, self._step * 2)
        for number in ready:
            file, kept = self._open[number]
            chunk = _read(number)
            if not chunk:
                del self._open[number]
                file.close()
            elif kept is self.stderr:
                kept += chunk
                del kept[:-STDERR_LIMIT]
            elif len(kept) <= self._limit:
                kept += chunk

    def close(self) -> None:
        """Let go of the pipes that others hold."""
        for file, _ in self._open.values():
            file.close()
        self._open.clear()


def _read(number: int) -> bytes:
    try:
        return os.read(number, _CHUNK)
    except OSError:  # as good as its end
        return b""


if sys.platform == "win32":

    def _ready(numbers: list[int], seconds: float) -> list[int]:
        """Return the pipes that can be read at once."""
        ready = [number for number in numbers if _has_something(number)]
        if not ready:
            sleep(seconds)
        return ready

    def _has_something(number: int) -> bool:
        import msvcrt
        from _winapi import PeekNamedPipe

        try:
            return bool(PeekNamedPipe(msvcrt.get_osfhandle(number), 0)[0])
        except OSError:  # its end, which reading tells again
            return True

else:

    def _ready(numbers: list[int], seconds: float) -> list[int]:
        """Return the pipes that can be read at once, or within that time."""
        import select

        if not numbers:
            sleep(seconds)
            return []
        poll = select.poll()  # unlike select(), it knows descriptors beyond 1023
        for number in numbers:
            poll.register(number, select.POLLIN)
        return [number for number, _ in poll.poll(seconds * 1000)]
