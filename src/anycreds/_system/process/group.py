"""What differs between operating systems about a command: its process group, its pipes and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from subprocess import Popen
from time import monotonic, sleep
from typing import IO
from weakref import WeakSet

# Seconds to wait for a killed process. It takes milliseconds, unless a broken disk keeps the process in the kernel.
REAP_TIMEOUT = 1.0
POLL_INTERVAL = 0.02  # seconds between two checks of a command that writes nothing
EXIT_INTERVAL = 0.001  # seconds between two checks of a command that is about to exit
_SHELL_SIGNAL_OFFSET = 128  # shells report a program killed by a signal as 128 + the signal's number


# What the shell runs before the command: a process of the same group that ends the group when this program has ended,
# in whatever way, a SIGKILL included. The shell's standard input is a pipe that only this program has the other end of
# and never writes to, so its end is the end of this program. Signals of Linux that report the death of a parent would
# reach the shell only, not what it has started, and other systems have none. Two parentheses, because the watcher must
# not be a child of the shell that the command's `wait` would wait for. It keeps no pipe of the command open, and the
# command gets an empty standard input, and no other descriptor.
_WATCHER = (
    "exec 3<&0 </dev/null; "
    "( (trap '' TERM; read -r _; kill -TERM 0; sleep 1; kill -KILL 0) <&3 3<&- >/dev/null 2>&1 & ); "
    "exec 3<&-; "
)
_IS_WATCHED = os.name == "posix"
_pipes: WeakSet[IO[bytes]] = WeakSet()  # this program's ends
_pipes_lock = threading.Lock()  # so that no fork copies a pipe that is not in the set


def start(command: str) -> Popen[bytes]:
    """Start a command in the shell, without a terminal and with an empty standard input."""
    if not _IS_WATCHED:
        return _start(command, subprocess.DEVNULL)
    with _pipes_lock:
        reading, writing = os.pipe()
        pipe = os.fdopen(writing, "wb", buffering=0)
        _pipes.add(pipe)
    try:
        process = _start(_WATCHER + command, reading)
    except BaseException:
        pipe.close()
        raise
    finally:
        os.close(reading)
    process.stdin = pipe
    return process


def _start(command: str, stdin: int) -> Popen[bytes]:
    return Popen(  # noqa: S602 - through the shell, as AWS documents `credential_process`
        command,
        shell=True,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _close_pipes() -> None:
    for pipe in _pipes:
        pipe.close()
    _pipes_lock.release()


if hasattr(os, "register_at_fork"):  # a forked child that outlives this program would hide its end from the watchers
    os.register_at_fork(before=_pipes_lock.acquire, after_in_parent=_pipes_lock.release, after_in_child=_close_pipes)


def signal_name(status: int | None) -> str | None:
    """Return the signal that an exit status reports: a negative number, or one above 128 from a shell."""
    if status is None:
        return None
    number = -status if status < 0 else status - _SHELL_SIGNAL_OFFSET
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}" if status < 0 else None


if sys.platform == "win32":
    import msvcrt
    from _winapi import PeekNamedPipe

    def readable(pipes: list[IO[bytes]]) -> list[IO[bytes]]:
        """Return the pipes that can be read now, or wait for the poll interval."""
        found = [pipe for pipe in pipes if _can_read(pipe)]
        if pipes and not found:
            sleep(POLL_INTERVAL)
        return found

    def _can_read(pipe: IO[bytes]) -> bool:
        try:
            return bool(PeekNamedPipe(msvcrt.get_osfhandle(pipe.fileno()), 0)[0])
        except OSError:  # the end of the pipe, which reading reports again
            return True

    def has_exited(process: Popen[bytes]) -> bool:
        """Return whether the command has exited."""
        return process.poll() is not None

    def kill(process: Popen[bytes]) -> None:
        """End the command. Processes that it has started stay."""
        process.kill()

    terminate = kill  # Windows has no signal that lets a program without a window clean up

    def reap(process: Popen[bytes]) -> None:
        """Wait for the killed command."""
        with suppress(subprocess.TimeoutExpired):
            process.wait(REAP_TIMEOUT)

else:
    import select

    def readable(pipes: list[IO[bytes]]) -> list[IO[bytes]]:
        """Return the pipes that can be read now, or within the poll interval."""
        poll = select.poll()  # unlike select(), it accepts descriptors above 1023
        for pipe in pipes:
            poll.register(pipe, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(POLL_INTERVAL * 1000)} if pipes else set()
        return [pipe for pipe in pipes if pipe.fileno() in ready]

    def has_exited(process: Popen[bytes]) -> bool:
        """Return whether the command has exited. It stays a zombie, so that its process group's number stays taken."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return process.poll() is not None
        try:
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # the program ignores SIGCHLD, or waits for all children
            return True

    def terminate(process: Popen[bytes]) -> None:
        """Let the process group clean up and exit."""
        _signal_group(process, signal.SIGTERM)

    def kill(process: Popen[bytes]) -> None:
        """End the process group. Call this before `reap`: until then no other group can have its number."""
        _signal_group(process, signal.SIGKILL)

    def _signal_group(process: Popen[bytes], number: signal.Signals) -> None:
        # PermissionError: only zombies are left (macOS), or programs of another user
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)

    def reap(process: Popen[bytes]) -> None:
        """Wait for the killed command, and for the orphans of its group if this program is PID 1 of a container."""
        with suppress(subprocess.TimeoutExpired, ChildProcessError):
            process.wait(REAP_TIMEOUT)
            deadline = monotonic() + REAP_TIMEOUT
            while monotonic() < deadline:
                if os.waitpid(-process.pid, os.WNOHANG) == (0, 0):
                    sleep(EXIT_INTERVAL)
