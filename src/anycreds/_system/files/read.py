"""Reads files without blocking the event loop, whatever is at the path.

Every read runs in a thread, even of a small file: it may be on a network drive that hangs (``direct`` has exceptions).
The file is opened non-blocking and must be a regular file before a byte is read, so that a FIFO or a device does not
block the thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from ..._core.errors import ProviderTimeoutError
from ..._core.io import PrivateFile, ReadFailure, Signature
from .. import threads
from ..deadlines import TimeLimit

T = TypeVar("T")
WRITABLE_BY_ALL = "is in a directory that every user may write to; remove that permission (chmod o-w)"
READ_TIMEOUT = 10.0
"""Seconds for one read. Local disks take milliseconds; a network drive that takes longer is most likely gone."""

_IS_POSIX = hasattr(os, "geteuid")  # file ownership is different on Windows
# No system has all of these flags.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_CHUNK = 4096  # bytes, for files whose reported size is 0, such as those in /proc


async def read_file(path: str, limit: int) -> bytes | ReadFailure:
    """Return the content of a regular file of at most ``limit`` bytes, or why it could not be read."""
    found = await read_in_thread(read_regular, path, limit)
    return found.content if isinstance(found, FoundFile) else found


async def read_private(path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
    """Return the content of a file that belongs to this user, and whether others can read or write it; see ``Io``."""
    found = await read_in_thread(read_regular if follow_link else _read_unless_replaceable, path, limit)
    if isinstance(found, ReadFailure):
        return found
    # A file of root is trusted too: it may be mounted into a container.
    if _IS_POSIX and found.status.st_uid not in (os.geteuid(), 0):
        return ReadFailure("belongs to another user")
    is_accessible_to_others = _IS_POSIX and bool(found.status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    modified_at = found.status.st_mtime
    return PrivateFile(found.content, is_accessible_to_others, signature_of(found.status), modified_at)


class FoundFile(NamedTuple):
    """A file that was read, or that is still the version that is known."""

    content: bytes
    status: os.stat_result
    is_known: bool

    def __repr__(self) -> str:
        return f"FoundFile({len(self.content)} bytes)"


async def read_in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Return what a plain function returns that reads files. A read that takes too long is an error."""
    if not threads.enabled:
        return function(*arguments)
    with TimeLimit(READ_TIMEOUT):
        return await threads.run_in_thread(function, *arguments)
    raise ProviderTimeoutError(
        f"a file was not read within {READ_TIMEOUT:g} s", hint="check the network drive that it is on"
    )


def read_regular(path: str, limit: int, known: Signature | None = None, flags: int = _FLAGS) -> FoundFile | ReadFailure:
    """Read a regular file, in a thread; only its status if it is still the known version."""
    try:
        descriptor = os.open(path, flags)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return ReadFailure("is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
            if signature_of(status) == known:
                return FoundFile(b"", status, is_known=True)
            content = b"" if status.st_size > limit else _content(descriptor, status.st_size, limit)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return ReadFailure(describe_file_error(error, "read"), is_missing=is_missing)
    if max(status.st_size, len(content)) > limit:
        return ReadFailure(f"is larger than {limit} bytes")
    return FoundFile(content, status, is_known=False)


def _read_unless_replaceable(path: str, limit: int) -> FoundFile | ReadFailure:
    """Return a regular file; not what a symbolic link leads to, and no file that every user may replace."""
    with suppress(ValueError):  # it is not a valid path, as reading it reports
        if os.path.islink(path):
            return ReadFailure("is a symbolic link")
        if is_writable_by_all(os.path.dirname(path)):
            return ReadFailure(WRITABLE_BY_ALL)
    return read_regular(path, limit, flags=_FLAGS | _NO_LINK)


def is_writable_by_all(directory: str) -> bool:
    """Return whether every user may replace the files of a directory, unlike in one with the sticky bit."""
    with suppress(OSError):
        mode = os.stat(directory or ".").st_mode
        return _IS_POSIX and bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX
    return False


def signature_of(status: os.stat_result) -> Signature:
    """Return what identifies a version of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_status(path: str) -> os.stat_result:
    """Return the status of what is at a path, as ``read_regular`` gets it; a symbolic link is not followed."""
    descriptor = os.open(path, _FLAGS | _NO_LINK)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _content(descriptor: int, size: int, limit: int) -> bytes:
    """Return the content of a file, cut off one byte after the limit.

    Reads in chunks of the size that the file had when it was opened: a buffer as large as the limit costs more.
    """
    chunks: list[bytes] = []
    left = limit + 1
    while left > 0 and (chunk := os.read(descriptor, min(max(size, _CHUNK) + 1, left))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def describe_file_error(error: OSError | ValueError, action: str) -> str:
    """Return why a file cannot be read, written or locked, in the words of the operating system."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be {action}: {os.strerror(error.errno)}"
    return "is not a valid path"  # it contains a null character or a surrogate
