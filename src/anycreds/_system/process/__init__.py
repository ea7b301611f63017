"""Runs a command through the shell, within limits of time and output, and leaves no process of it behind.

One thread starts the command, reads its output and ends it. So this works on every event loop, in every thread, needs
no child watcher, and ends the command even if the event loop that waits for it is closed. The command leads a process
group, which is signalled as a whole. A process that leaves the group by ``setsid``, as daemons do, is not ended.
"""

from __future__ import annotations

import os
import threading
from subprocess import Popen
from time import monotonic, sleep

import anyio
from anyio.lowlevel import checkpoint_if_cancelled

from ..._core.io import ProcessFailure, ProcessResult
from ..threads import ThreadCall
from . import group

STDERR_LIMIT = 4 * 1024  # bytes: the end of stderr, where programs write why they fail
# Seconds. After a command has exited its pipes are empty at once, unless a process that it started has them open.
# With the interval between two checks, the result then comes within 0.1 s.
PIPE_DRAIN_TIMEOUT = 0.05
SIGTERM_GRACE = 0.5  # seconds between SIGTERM and SIGKILL, for the command to clean up
CANCEL_TIMEOUT = 2.0  # seconds that a cancelled caller waits: SIGTERM_GRACE + REAP_TIMEOUT, and some to spare
_CANCELLED = ProcessFailure("timeout", "it was cancelled")
_CHUNK = 64 * 1024  # bytes: as much as a pipe of Linux holds


async def run_process(command: str, timeout: float, limit: int) -> ProcessResult | ProcessFailure:  # noqa: ASYNC109
    """Run a command; see ``Io``. The thread enforces the timeout."""
    await checkpoint_if_cancelled()
    cancelled = threading.Event()
    call = ThreadCall(_run, command, timeout, limit, cancelled)
    try:
        await call.wait()
    except BaseException as error:
        cancelled.set()
        if not isinstance(error, GeneratorExit):  # the coroutine was closed, so it cannot wait
            with anyio.move_on_after(CANCEL_TIMEOUT, shield=True):
                await call.wait()
        raise
    return call.result()


def _run(command: str, timeout: float, limit: int, cancelled: threading.Event) -> ProcessResult | ProcessFailure:
    """Run a command until it has exited or must be ended. Runs in a thread."""
    if cancelled.is_set():
        return _CANCELLED
    try:
        process = group.start(command)
    except OSError as error:
        return ProcessFailure("not started", f"the shell cannot be run: {os.strerror(error.errno or 0)}")
    except ValueError:
        return ProcessFailure("not started", "the command line cannot be passed to the shell")  # a null character
    output = _Output(process, limit)
    try:
        failure = _follow(process, output, timeout, cancelled)
        if failure is not None:
            _terminate(process, output)
    finally:
        group.kill(process)
        group.reap(process)
        output.close()
        if process.stdin is not None:
            process.stdin.close()  # what watches it has been killed
    if failure is not None:
        return failure
    status = process.returncode
    code = None if status is None or status < 0 else status
    return ProcessResult(code, group.signal_name(status), bytes(output.stdout), bytes(output.stderr))


def _follow(
    process: Popen[bytes], output: _Output, timeout: float, cancelled: threading.Event
) -> ProcessFailure | None:
    """Read the output until the command has exited. Return why it must be ended earlier."""
    deadline = monotonic() + timeout
    drain_deadline = None
    while True:
        output.read()
        if len(output.stdout) > output.limit:
            return ProcessFailure("too large", f"it wrote more than {output.limit} bytes")
        now = monotonic()
        if group.has_exited(process):
            drain_deadline = drain_deadline or now + PIPE_DRAIN_TIMEOUT
            if now >= drain_deadline or not output.is_open:
                return None
        elif cancelled.is_set():
            return _CANCELLED
        elif now >= deadline:
            return ProcessFailure("timeout", f"it did not exit within {timeout:g} s")


def _terminate(process: Popen[bytes], output: _Output) -> None:
    """Let the command clean up. Its output is still read: a command that is blocked in a write cannot clean up."""
    group.terminate(process)
    deadline = monotonic() + SIGTERM_GRACE
    while monotonic() < deadline and (output.is_open or not group.has_exited(process)):
        output.read()


class _Output:
    """The output of a command, read from both pipes in turns.

    A command that writes to a full pipe is blocked, so output beyond the limits is read too, and dropped.
    """

    __slots__ = ("_open", "limit", "stderr", "stdout")

    def __init__(self, process: Popen[bytes], limit: int) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.limit = limit
        self.stdout, self.stderr = bytearray(), bytearray()
        self._open = {process.stdout: self.stdout, process.stderr: self.stderr}

    @property
    def is_open(self) -> bool:
        """Whether any process has one of the pipes open."""
        return bool(self._open)

    def read(self) -> None:
        """Read what is in the pipes, or wait a moment for it."""
        if not self._open:
            sleep(group.EXIT_INTERVAL)
        for pipe in group.readable(list(self._open)):
            buffer = self._open[pipe]
            try:
                chunk = os.read(pipe.fileno(), _CHUNK)
            except OSError:  # counts as the end of the pipe
                chunk = b""
            if not chunk:
                del self._open[pipe]
                pipe.close()
            elif buffer is self.stderr:
                buffer += chunk
                del buffer[:-STDERR_LIMIT]
            elif len(buffer) <= self.limit:
                buffer += chunk

    def close(self) -> None:
        """Close the pipes that other processes still have open."""
        for pipe in self._open:
            pipe.close()
        self._open.clear()
