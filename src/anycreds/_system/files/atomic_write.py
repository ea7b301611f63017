"""Replacing a private file in one step: who reads the path gets the old content or the new, never half of either.

The new content goes to a file of its own beside it, which is then given the name. A write that has been asked for is
made even if whoever asked is cancelled meanwhile: what is written may be a token that is good for one use, and whose
forerunner is used up.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep

import anyio

from ..._core.io import WriteFailure
from .read import run_in_thread

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
# What whoever is cancelled waits for its write. It is local work, and half of what a flight has for its clean-up.
CLEAN_UP = 1.0
_STEP = 0.001  # seconds between two looks at a write that is about to be over
# Windows refuses to replace a file while somebody reads it, which others do for milliseconds: 5 + 10 + ... + 80 ms.
_REPLACE_PAUSES = (0.005, 0.01, 0.02, 0.04, 0.08) if os.name == "nt" else ()


async def write_private(path: str, content: bytes) -> WriteFailure | None:
    """Replace a file; see ``Io``."""
    write = _Write(path, content)
    del content  # it is secret, and a traceback keeps this frame
    try:
        return await run_in_thread(write.run)
    except GeneratorExit:  # nobody can wait here any more
        raise
    except BaseException:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEAN_UP):
            await run_in_thread(write.run)  # unless it has begun
            while not write.is_over:  # noqa: ASYNC110 - an event of a thread, which the loop may not outlive
                await anyio.sleep(_STEP)
        write.stop()
        raise


class _Write:
    """The part in the thread, which happens once."""

    __slots__ = ("_content", "_has_begun", "_is_stopped", "_lock", "_path", "is_over")

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._content = content
        self._lock = threading.Lock()
        self._has_begun = self._is_stopped = self.is_over = False

    def stop(self) -> None:
        """Let a disk that hangs not bring out later, over what others have written since, what it holds now."""
        self._is_stopped = True

    def run(self) -> WriteFailure | None:
        """Write, or say why not."""
        with self._lock:
            if self._has_begun:
                return None
            self._has_begun = True
        try:
            target = _target(self._path)
            if isinstance(target, WriteFailure):
                return target
            self._replace(target)
        except (OSError, ValueError) as error:
            return WriteFailure(reason(error))
        finally:
            self.is_over = True
        return None

    def _replace(self, target: str) -> None:
        folder = os.path.dirname(target) or os.curdir
        make_folder(folder)
        # Not the target's name with an end: that may be as long as names can be.
        beside = os.path.join(folder, f".anycreds-{os.urandom(8).hex()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(beside, flags, _PRIVATE_FILE)
        with _gone_unless_named(beside):
            with os.fdopen(descriptor, "wb") as file:
                _keep_owner(descriptor, target)
                file.write(self._content)
                file.flush()
                os.fsync(descriptor)
            if self._is_stopped:
                raise TimeoutError
            _rename(beside, target)


def _target(path: str) -> str | WriteFailure:
    """Return the file that a path leads to: where the path is a link, people want that kept.

    Raises ``OSError`` or ``ValueError`` if the path leads nowhere.
    """
    target = os.path.realpath(path)
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return target
    if stat.S_ISREG(mode):
        return target
    kinds = (" but a directory", stat.S_ISDIR), (" but a link to itself", stat.S_ISLNK)
    return WriteFailure("is not a regular file" + next((text for text, is_kind in kinds if is_kind(mode)), ""))


def make_folder(path: str) -> None:
    """Make a directory, and those above it, as far as they are missing. Others may do the same meanwhile."""
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        above = os.path.dirname(path)
        if above == path:  # a drive that is not there
            break
        path = above
    for one in reversed(missing):
        with suppress(FileExistsError):  # if it is no directory, the next step says so
            os.mkdir(one, _PRIVATE_FOLDER)


def _keep_owner(descriptor: int, target: str) -> None:
    """Give a new file to whom the old one belongs, as far as we may: an administrator may work in a user's home."""
    if sys.platform == "win32":  # which has no such owners
        return
    os.fchmod(descriptor, _PRIVATE_FILE)  # a strange umask may have taken away even what the owner may do
    with suppress(OSError):
        old, new = os.stat(target), os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)


def _rename(beside: str, target: str) -> None:
    for pause in _REPLACE_PAUSES:
        try:
            return os.replace(beside, target)
        except PermissionError:
            sleep(pause)
    return os.replace(beside, target)


@contextmanager
def _gone_unless_named(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise


def reason(error: OSError | ValueError, done: str = "written") -> str:
    """Return why something could not be written, or what else it was, in the words of the system."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be {done}: {os.strerror(error.errno)}"
    return "is not a possible path"
