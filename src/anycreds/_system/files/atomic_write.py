"""Replaces a private file in one step: a reader gets either the old content or the new content, never part of one.

The new content is written to a temporary file beside the target, which then replaces it. A write that has started is
finished even if the caller is cancelled: it may hold a single-use token whose predecessor is already used up.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep

import anyio

from ..._core.io import WriteFailure
from ..threads import ThreadCall
from .read import describe_file_error

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
# Seconds that a cancelled caller waits for its write. A local write takes milliseconds.
CANCEL_TIMEOUT = 1.0
# Windows does not replace a file while a reader has it open, usually for milliseconds: 5 + 10 + ... + 80 ms.
_REPLACE_DELAYS = (0.005, 0.01, 0.02, 0.04, 0.08) if os.name == "nt" else ()


async def write_private(path: str, content: bytes) -> WriteFailure | None:
    """Replace a file; see ``Io``."""
    write = _Write(path, content)
    call = ThreadCall(write.run)
    try:
        await call.wait()
    except GeneratorExit:  # the coroutine was closed, so it cannot wait
        raise
    except BaseException:
        with anyio.move_on_after(CANCEL_TIMEOUT, shield=True):
            await call.wait()
        write.is_abandoned = True
        raise
    return call.result()


class _Write:
    """The part that runs in a thread."""

    __slots__ = ("_content", "_path", "is_abandoned")

    def __init__(self, path: str, content: bytes) -> None:
        self._path = path
        self._content = content
        self.is_abandoned = False
        """The caller has left. A disk that hung must not replace what other programs have written since."""

    def run(self) -> WriteFailure | None:
        """Write the file. Return what prevented it; None if it is written."""
        try:
            target = os.path.realpath(self._path)  # where the path is a symbolic link, the link stays
            failure = _check_replaceable(target)
            if failure is None:
                self._replace(target)
            return failure
        except (OSError, ValueError) as error:
            return WriteFailure(describe_file_error(error, "written"))

    def _replace(self, target: str) -> None:
        directory = os.path.dirname(target)
        make_directories(directory)
        # A name of its own rather than the target's with a suffix: that could exceed the longest name allowed.
        temporary = os.path.join(directory, f".anycreds-{os.urandom(8).hex()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, _PRIVATE_FILE)
        with _unlink_on_error(temporary):
            with os.fdopen(descriptor, "wb") as file:
                _copy_ownership(descriptor, target)
                file.write(self._content)
                file.flush()
                os.fsync(descriptor)
            if self.is_abandoned:
                raise TimeoutError
            _rename(temporary, target)


def _check_replaceable(target: str) -> WriteFailure | None:
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return None
    kinds = ("is a directory", stat.S_ISDIR), ("is a symbolic link to itself", stat.S_ISLNK)
    return WriteFailure(next((text for text, is_kind in kinds if is_kind(mode)), "is not a regular file"))


def make_directories(path: str) -> None:
    """Create a directory and its missing parents, for this user only.

    ``os.makedirs`` would give the parents the permissions of the umask.
    """
    missing = []
    while path and not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path:  # a drive that does not exist
            break
        path = parent
    for one in reversed(missing):
        with suppress(FileExistsError):  # another process created it, or a file is there, which the next step reports
            os.mkdir(one, _PRIVATE_DIRECTORY)


def _copy_ownership(descriptor: int, target: str) -> None:
    """Give the new file the owner of the old one if possible: root may refresh a token in a user's home directory."""
    if sys.platform == "win32":  # has no such owners
        return
    os.fchmod(descriptor, _PRIVATE_FILE)  # the umask may have removed even the owner's permissions
    with suppress(OSError):
        old, new = os.stat(target), os.fstat(descriptor)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(descriptor, old.st_uid, old.st_gid)


def _rename(source: str, target: str) -> None:
    for delay in _REPLACE_DELAYS:
        try:
            return os.replace(source, target)
        except PermissionError:
            sleep(delay)
    return os.replace(source, target)


@contextmanager
def _unlink_on_error(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
