"""A lock on a path, held by one task, thread or process of this machine at a time.

The lock is the kernel's, on a file beside the path, so it ends with the process that holds it. The file itself stays:
if it were removed, two processes could lock two files of the same name. Every attempt runs in a thread, because a
network drive may hang, and an attempt that no task waits for any more releases what it locks. So does one whose event
loop does not run on, because it was closed or stopped in this moment.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import anyio

from ..._core.io import WriteFailure
from .. import threads
from ..deadlines import TimeLimit
from .atomic_write import make_directories
from .lock_holder import describe_holder
from .read import describe_file_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_SUFFIX = ".lock"
# Seconds between two attempts. A refresh holds the lock for 100 ms and more, an attempt takes 0.1 ms.
FIRST_DELAY, MAX_DELAY = 0.005, 0.1
# Seconds for the last attempt, which is local work, and for the only one if the lock is not waited for.
DISK_TIMEOUT = 1.0
# Seconds until a lock that was taken for an event loop is released, if the loop does not run on. It needs microseconds.
TAKE_TIMEOUT = 1.0
_BUSY = WriteFailure("is locked", is_busy=True)


class FileLock:
    """An ``async with`` whose value is None if it holds the lock, or the reason why it does not."""

    __slots__ = ("_attempt", "_jitter", "_path", "_seconds")

    def __init__(self, path: str, seconds: float, jitter: Callable[[], float]) -> None:
        self._path = path + LOCK_SUFFIX
        self._seconds = seconds
        self._jitter = jitter
        self._attempt: _LockAttempt | None = None

    async def __aenter__(self) -> WriteFailure | None:
        end = anyio.current_time() + self._seconds
        delay = FIRST_DELAY
        with TimeLimit(self._seconds + DISK_TIMEOUT):
            while True:
                failure = await self._try_once()
                remaining = end - anyio.current_time()
                if failure is None or not failure.is_busy:
                    return failure
                if remaining <= 0:
                    holder = await threads.run_in_thread(describe_holder, self._path)
                    return WriteFailure(f"has been locked by {holder} for more than {self._seconds:g} s", is_busy=True)
                await anyio.sleep(min(remaining, delay * (0.5 + self._jitter() / 2)))
                delay = min(2 * delay, MAX_DELAY)
        return WriteFailure(f"cannot be locked: the disk did not respond within {self._seconds:g} s")

    async def _try_once(self) -> WriteFailure | None:
        self._attempt = _LockAttempt(self._path)
        try:
            failure = await threads.run_in_thread(self._attempt.run)
        except BaseException:
            self._attempt.release()
            raise
        return _BUSY if failure is None and not self._attempt.take() else failure

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        if self._attempt is not None:
            self._attempt.release()
        return False


class _LockAttempt:
    """One attempt. If it succeeds, it holds the lock until it is released, or is not taken in time."""

    __slots__ = ("_guard", "_is_decided", "_is_released", "_lock", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._is_decided = threading.Event()  # taken or released
        self._is_released = False
        self._lock: BaseFileLock | None = None

    def run(self) -> WriteFailure | None:
        """Take the lock if it is free. Return why it could not be taken; None if it is held now."""
        from filelock import FileLock, Timeout  # takes 25 ms to import, so only here, in the thread

        lock = FileLock(self._path, mode=0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)
        try:
            make_directories(os.path.dirname(self._path))
            if not _is_regular_or_missing(self._path):
                return WriteFailure(f"cannot be locked: {os.path.basename(self._path)} is not a regular file")
            lock.acquire(blocking=False)
        except Timeout:
            return _BUSY
        except (OSError, ValueError) as error:
            return WriteFailure(describe_file_error(error, "locked"))
        with self._guard:
            if not self._is_released:
                self._lock = lock
                if threads.enabled:
                    threads.start_thread(self._release_unless_taken)
                return None
        lock.release()
        return _BUSY

    def take(self) -> bool:
        """Keep the lock that the attempt holds. Return False if it was released meanwhile."""
        with self._guard:
            self._is_decided.set()
            return self._lock is not None

    def _release_unless_taken(self) -> None:
        if not self._is_decided.wait(TAKE_TIMEOUT):
            self.release()

    def release(self) -> None:
        """Release the lock now, or, if the attempt still runs, as soon as it has succeeded."""
        with self._guard:
            self._is_released = True
            lock, self._lock = self._lock, None
        self._is_decided.set()
        if lock is not None:
            with suppress(OSError):
                lock.release()


def _is_regular_or_missing(path: str) -> bool:
    """Return whether filelock may open a path. It follows no symbolic link, but would lock a FIFO."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True
