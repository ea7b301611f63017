"""Replaces a private file in one step: a reader gets either the old content or the new content, never part of one.

The new content is written to a temporary file beside the target, which then replaces it. A write that has started is
finished even if the caller is cancelled: it may hold a single-use token whose predecessor is already used up.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from contextlib import suppress
from time import sleep

import anyio

from ..._core.io import Signature, WriteFailure
from ..threads import ThreadCall
from .read import WRITABLE_BY_ALL, describe_file_error, is_writable_by_all, read_status, signature_of

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"):  # no system has all of these flags
    _FLAGS |= getattr(os, _name, 0)
# Seconds that a cancelled caller waits for its write. A local write takes milliseconds.
CANCEL_TIMEOUT = 1.0
# Windows does not replace a file while a reader has it open, usually for milliseconds: 5 + 10 + ... + 80 ms.
_REPLACE_DELAYS = (0.005, 0.01, 0.02, 0.04, 0.08) if os.name == "nt" else ()


class _ChangedError(Exception):
    """The file is not the version that was to be replaced."""


async def write_private(
    path: str, content: bytes, replaces: Signature | None = None, *, follow_link: bool = True
) -> WriteFailure | None:
    """Replace a file; see ``Io``."""
    abandoned = threading.Event()
    call = ThreadCall(_write, path, content, replaces, abandoned, follow_link)
    try:
        await call.wait()
    except GeneratorExit:  # the coroutine was closed, so it cannot wait
        raise
    except BaseException:
        with anyio.move_on_after(CANCEL_TIMEOUT, shield=True):
            await call.wait()
        abandoned.set()
        raise
    return call.result()


def _write(
    path: str, content: bytes, replaces: Signature | None, abandoned: threading.Event, follow_link: bool = True
) -> WriteFailure | None:
    """Replace a file, in a thread. Return what prevented it; None if it is written."""
    try:
        target = os.path.realpath(path)  # if the path is a symbolic link, the link stays
        if not follow_link:
            target = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        mode = os.lstat(target).st_mode if os.path.lexists(target) else stat.S_IFREG
        if not (stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and not follow_link)):
            kinds = {stat.S_IFDIR: "is a directory", stat.S_IFLNK: "is a symbolic link to itself"}
            return WriteFailure(kinds.get(stat.S_IFMT(mode), "is not a regular file"))
        if is_writable_by_all(os.path.dirname(target)):
            return WriteFailure(WRITABLE_BY_ALL)
        _replace(target, content, replaces, abandoned)
    except _ChangedError:
        return WriteFailure("was changed or deleted by the user or another process", is_changed=True)
    except (OSError, ValueError) as error:
        return WriteFailure(describe_file_error(error, "written"))
    return None


def _replace(target: str, content: bytes, replaces: Signature | None, abandoned: threading.Event) -> None:
    directory = os.path.dirname(target)
    make_directories(directory)
    old = _check_version(target, replaces)
    # A name of its own rather than the target's with a suffix: that could exceed the longest name allowed.
    temporary = os.path.join(directory, f".anycreds-{os.urandom(8).hex()}.tmp")
    descriptor = os.open(temporary, _FLAGS, _PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _copy_ownership(descriptor, old)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if abandoned.is_set():  # a disk that hung must not replace what other programs have written since
            raise TimeoutError
        _check_version(target, replaces)  # the last moment: nothing can compare and rename in one step
        _rename(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def make_directories(path: str) -> None:
    """Create a directory and its missing parents, for this user only.

    ``os.makedirs`` would give the parents the permissions of the umask.
    """
    parent = os.path.dirname(path)
    if os.path.isdir(path) or parent == path:  # the second is a drive that does not exist
        return
    make_directories(parent)
    with suppress(FileExistsError):  # another process created it, or a file is there, which the next step reports
        os.mkdir(path, _PRIVATE_DIRECTORY)


def _check_version(target: str, replaces: Signature | None) -> os.stat_result | None:
    """Return the status of the version to be replaced, if there is one. Raise ``_ChangedError`` if it has changed.

    So a link or file that another user lays there during a refresh is neither followed nor replaced.
    """
    if replaces is None:
        return None
    with suppress(OSError):
        status = read_status(target)
        if signature_of(status) == replaces:
            return status
    raise _ChangedError


def _copy_ownership(descriptor: int, old: os.stat_result | None) -> None:
    """Give the new file the owner of the version that it replaces, if possible."""
    if sys.platform == "win32":  # has no such owners
        return
    os.fchmod(descriptor, _PRIVATE_FILE)  # the umask may have removed even the owner's permissions
    new = os.fstat(descriptor)
    if old is not None and (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)


def _rename(source: str, target: str) -> None:
    for delay in _REPLACE_DELAYS:
        with suppress(PermissionError):
            return os.replace(source, target)
        sleep(delay)
    return os.replace(source, target)
