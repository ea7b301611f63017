"""A shell command as a group of processes of its own, which can be ended as a whole and leaves no zombie.

Plain system calls about this one process: no signal handler and nothing that an event loop or the program has set up.
A process that left the group by ``setsid``, as daemons do, is out of reach.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from time import monotonic, sleep

_STEP = 0.001  # seconds between two looks at a process that is about to be gone
# Of exit codes above this, shells make known which signal ended a program: 128 and its number.
_SHELL_SIGNALS = 128


def start(command: str) -> subprocess.Popen[bytes]:
    """Start a command in the system's shell, without standard input and without a terminal.

    Raises ``OSError``, or ``ValueError`` for what no command line can hold.
    """
    return subprocess.Popen(  # noqa: S602 - through the shell, as AWS has it; the text is passed on as it was written
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        close_fds=True,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def signal_name(status: int) -> str | None:
    """Return the name of the signal that a status tells of: a negative one, or one above 128 as shells have it."""
    number = -status if status < 0 else status - _SHELL_SIGNALS
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}" if status < 0 else None


if sys.platform == "win32":

    def has_exited(process: subprocess.Popen[bytes]) -> bool:
        """Tell whether the command itself is over."""
        return process.poll() is not None

    def terminate(process: subprocess.Popen[bytes]) -> None:
        """End the command: there is no polite way to end a program that has no window."""
        kill(process)

    def kill(process: subprocess.Popen[bytes]) -> None:
        """End the command and what it has started."""
        if process.poll() is None:
            command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
            with suppress(OSError, subprocess.SubprocessError):
                subprocess.run(command, stdin=-3, stdout=-3, stderr=-3, timeout=1, check=False)  # -3: DEVNULL
            process.kill()

    def reap(process: subprocess.Popen[bytes], patience: float) -> int | None:
        """Return how the command ended, once it has."""
        with suppress(subprocess.TimeoutExpired):
            return process.wait(patience)
        return None

else:

    def has_exited(process: subprocess.Popen[bytes]) -> bool:
        """Tell whether the command itself is over. It stays a zombie, so that nobody else gets its number."""
        if process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return process.poll() is not None
        try:
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # the program ignores SIGCHLD, or waits for everybody's children
            return True

    def terminate(process: subprocess.Popen[bytes]) -> None:
        """Ask all of the group to end."""
        _signal(process, signal.SIGTERM)

    def kill(process: subprocess.Popen[bytes]) -> None:
        """End all of the group. To be called before ``reap``: the number of the group is taken for as long."""
        _signal(process, signal.SIGKILL)

    def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        # PermissionError: all that is left of it are zombies (macOS), or programs of another user
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)

    def reap(process: subprocess.Popen[bytes], patience: float) -> int | None:
        """Return how a killed command ended, as ``Popen.returncode`` has it; None: nobody can tell (any more).

        Where this program is the first process of a container, orphans of the group are its children, and taken too.
        """
        end = monotonic() + patience
        while True:
            try:
                pid, ending = os.waitpid(-process.pid, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == process.pid:
                process.returncode = os.waitstatus_to_exitcode(ending)
            elif pid == 0:
                if monotonic() >= end:
                    return process.returncode  # Popen tries again when the next process is started
                sleep(_STEP)
        status = process.returncode
        if status is None:
            process.returncode = 0  # so that Popen does not look for it either
        return status
