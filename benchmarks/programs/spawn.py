"""Run a command in a child process. Print its duration (seconds), its peak memory (bytes) and its exit code.

The peak memory of a process is at least that of its parent. So this program is run with ``-I -S`` and imports only
built-in modules, which keeps it smaller than every measured program.
"""

from __future__ import annotations

import posix
import sys
from time import perf_counter

SILENCE = [(posix.POSIX_SPAWN_OPEN, 1, "/dev/null", posix.O_WRONLY, 0)]


def main(command: list[str]) -> None:
    """Run the command and print the figures."""
    started = perf_counter()
    process = posix.posix_spawnp(command[0], command, posix.environ, file_actions=SILENCE)
    _, status, used = posix.wait4(process, 0)
    seconds = perf_counter() - started
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024  # bytes on macOS, KiB elsewhere
    print(seconds, peak, posix.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(sys.argv[1:])
