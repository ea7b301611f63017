"""A command run through the shell, within its time and size; when it is over, nothing of it is left.

All of it happens in one worker thread. So it is the same on every event loop and in every thread, needs none of their
child watchers, and a command is ended as a whole even if its loop stops waiting or stops altogether.
"""

from __future__ import annotations

import os
import threading
from subprocess import Popen
from time import monotonic

import anyio
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ..._core.io import ProcessFailure, ProcessResult
from . import group
from .pipes import SHORT_STEP, Pipes

# Once a command is over, its pipes are empty in an instant, unless a process that it left behind holds them.
LINGER = 0.1
# What a program has to clean up, from SIGTERM on until it is killed.
MERCY = 0.5
# A killed process is gone in milliseconds. One that a broken disk holds in the kernel is not waited for.
REAPING = 1.0
# What whoever was cancelled waits for the command to be gone: both of the above, and some air.
CLEAN_UP = 2.0


async def run_process(command: str, timeout: float, limit: int) -> ProcessResult | ProcessFailure:  # noqa: ASYNC109
    """Run a command; see ``Io``. The timeout is kept by the thread."""
    job = _Job(command, timeout, limit)
    del command  # it may hold secrets, and a traceback keeps this frame
    try:
        return await run_sync(job.run, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    except GeneratorExit:  # nobody can wait here any more
        job.stop()
        raise
    except BaseException:
        if job.stop():
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEAN_UP):
                while not job.is_over:  # noqa: ASYNC110 - an event of a thread, which the loop may not outlive
                    await anyio.sleep(SHORT_STEP)
        raise


class _Job:
    """The part in the thread."""

    __slots__ = ("_command", "_has_begun", "_is_stopped", "_limit", "_lock", "_timeout", "is_over")

    def __init__(self, command: str, timeout: float, limit: int) -> None:
        self._command = command
        self._timeout = timeout
        self._limit = limit
        self._lock = threading.Lock()
        self._has_begun = self._is_stopped = self.is_over = False

    def stop(self) -> bool:
        """Let the command be ended as soon as possible; tell whether there is an end to wait for."""
        with self._lock:
            self._is_stopped = True
            return self._has_begun

    def run(self) -> ProcessResult | ProcessFailure:
        """Run the command to its end, whichever that is."""
        with self._lock:
            if self._is_stopped:
                return _given_up()
            self._has_begun = True
        try:
            process = group.start(self._command)
        except (OSError, ValueError) as error:  # ValueError: a null character
            return ProcessFailure("not started", _reason(error))
        else:
            return self._follow(process)
        finally:
            self.is_over = True

    def _follow(self, process: Popen[bytes]) -> ProcessResult | ProcessFailure:
        pipes = Pipes(process, self._limit)
        try:
            failure = self._watch(process, pipes)
            if failure is not None:
                group.terminate(process)
                _wait_for_end(process, pipes)
        finally:
            group.kill(process)
            status = group.reap(process, REAPING)
            pipes.close()
        if failure is not None:
            return failure
        name = None if status is None else group.signal_name(status)
        code = None if status is None or status < 0 else status
        return ProcessResult(code, name, bytes(pipes.stdout), bytes(pipes.stderr))

    def _watch(self, process: Popen[bytes], pipes: Pipes) -> ProcessFailure | None:
        """Take what the command writes until it is over, or say why it is not waited for."""
        now = monotonic()
        end, last = now + self._timeout, None
        while True:
            pipes.take()
            now = monotonic()
            if len(pipes.stdout) > self._limit:
                return ProcessFailure("too large", f"it wrote more than {self._limit} bytes")
            if group.has_exited(process):
                last = now + LINGER if last is None else last
                if now >= last or not pipes.are_open:
                    return None
            elif self._is_stopped:
                return _given_up()
            elif now >= end:
                return ProcessFailure("timeout", f"it was not over within {self._timeout:g} s")


def _wait_for_end(process: Popen[bytes], pipes: Pipes) -> None:
    """Wait for all of the group, as far as its pipes tell, but not for long. Who cannot write cannot clean up."""
    end = monotonic() + MERCY
    while monotonic() < end and (pipes.are_open or not group.has_exited(process)):
        pipes.take()


def _given_up() -> ProcessFailure:
    return ProcessFailure("timeout", "nobody waits for it any more")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"the shell cannot be run: {os.strerror(error.errno)}"
    return "it is no possible command line"
