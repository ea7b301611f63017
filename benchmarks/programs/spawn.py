"""Run a command in a process of its own. Print how many seconds that took, its peak memory (bytes) and its exit code.

A process's peak is never less than that of the process which started it. So this one is run with ``-I -S`` and imports
only what is built into Python, and stays below the smallest program that there is to measure.
"""

from __future__ import annotations

import posix
import sys
from time import perf_counter

SILENCE = [(posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0)]


def main(command: list[str]) -> None:
    """Do it."""
    started = perf_counter()
    process = posix.posix_spawnp(command[0], command, posix.environ, file_actions=SILENCE)
    _, status, used = posix.wait4(process, 0)
    seconds = perf_counter() - started
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024  # there bytes, elsewhere KiB
    print(seconds, peak, posix.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1:])
