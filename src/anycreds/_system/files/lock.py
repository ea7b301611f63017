"""One at a time, among the tasks, threads and processes of this machine that lock the same path.

The lock is the kernel's, on a file beside the path, and so it ends with the process, however that ends. The file stays
where it is: who removed it would let two in at once. Every try is made in a thread, as a network drive may hang, and
whatever it opens is closed, even if nobody waits for it any more.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal

import anyio

from ..._core.io import WriteFailure
from .. import fork
from .atomic_write import make_folder, reason
from .read import run_in_thread

SUFFIX = ".lock"
# Between two tries, in seconds: a refresh takes a tenth of a second and more, and a try a tenth of a millisecond.
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.1
# One try is local work. So long a disk may take for the last of them, and for the only one if no time is given.
SLACK = 1.0

_FLAGS = os.O_RDWR | os.O_CREAT  # for reading and writing, as NFS wants it
# Neither a link, which somebody may have laid, nor a FIFO that is waited for. Not for programs that are started.
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _let_go(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    _REFUSAL: type[OSError] = PermissionError
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _let_go(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    _REFUSAL = BlockingIOError

_BUSY = WriteFailure("is locked by somebody else", is_busy=True)


class FileLock:
    """An ``async with`` that gives None if it holds the lock, or why not."""

    __slots__ = ("_jitter", "_path", "_seconds", "_try")

    def __init__(self, path: str, seconds: float, jitter: Callable[[], float]) -> None:
        self._path = path + SUFFIX
        self._seconds = seconds
        self._jitter = jitter
        self._try: _Try | None = None

    async def __aenter__(self) -> WriteFailure | None:
        begun = anyio.current_time()
        answer: WriteFailure | None = WriteFailure(
            f"cannot be locked: the disk does not answer within {self._seconds:g} s"
        )
        pause = FIRST_PAUSE
        with anyio.move_on_after(self._seconds + SLACK):
            while True:
                answer = await self._once()
                left = begun + self._seconds - anyio.current_time()
                if answer is None or not answer.is_busy or left <= 0:
                    return answer
                await anyio.sleep(min(left, pause * (0.5 + self._jitter() / 2)))
                pause = min(2 * pause, LONGEST_PAUSE)
        return answer

    async def _once(self) -> WriteFailure | None:
        attempt = _Try(self._path)
        try:
            answer = await run_in_thread(attempt.run)
        except BaseException:
            attempt.release()
            raise
        if answer is _BUSY:
            return WriteFailure(f"is locked by somebody else, for more than {self._seconds:g} s", is_busy=True)
        if answer is None:
            self._try = attempt
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        if self._try is not None:
            self._try.release()
        return False


class _Try:
    """One try. If it is successful it holds the lock until it is released."""

    __slots__ = ("__weakref__", "_descriptor", "_guard", "_is_released", "_is_running", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._guard = threading.Lock()
        self._descriptor: int | None = None
        self._is_running = self._is_released = False

    def run(self) -> WriteFailure | None:
        """Take the lock if it is free, in a thread; or say why not, and leave nothing open."""
        self._is_running = True
        is_locked = False
        try:
            make_folder(os.path.dirname(self._path))
            self._descriptor = os.open(self._path, _FLAGS, 0o600)
            fork.after_fork(self._forget)  # before anything is locked, so that no child ever has the lock
            answer = self._lock(self._descriptor)
            is_locked = answer is None
        except (OSError, ValueError) as error:
            answer = WriteFailure(reason(error, "locked"))
        finally:
            with self._guard:
                self._is_running = False
                is_wanted = is_locked and not self._is_released
            if not is_wanted:
                self._close()
        return answer

    def _lock(self, descriptor: int) -> WriteFailure | None:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return WriteFailure(f"cannot be locked: {os.path.basename(self._path)} is not a regular file")
        try:
            _take(descriptor)
            named = os.stat(self._path, follow_symlinks=False)
        except (_REFUSAL, FileNotFoundError):
            return _BUSY
        # If the file was replaced meanwhile, whoever comes next locks the new one.
        return None if os.path.samestat(status, named) else _BUSY

    def release(self) -> None:
        """Let the next one in, now; or as soon as the thread comes to it, whose descriptor is not closed under it."""
        with self._guard:
            self._is_released = True
            if self._is_running:
                return
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                _let_go(descriptor)  # closing is not enough: a child may have been forked off an instant ago
            with suppress(OSError):
                os.close(descriptor)

    def _forget(self) -> None:
        """Close in a child process what is its parent's, without letting go: that would end its parent's lock."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        self._guard = threading.Lock()  # a thread that is not here may have held it
        self._is_running = False
