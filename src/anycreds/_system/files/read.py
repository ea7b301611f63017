"""Reads files without blocking the event loop, whatever is at the path.

Every read runs in a thread, even of a small file: it may be on a network drive that hangs. The file is opened
non-blocking and must be a regular file before a byte is read, so that a FIFO or a device does not block the thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import anyio

from ..._core.errors import ProviderTimeoutError
from ..._core.io import FileQuery, FileVersion, PrivateFile, ReadFailure, Signature
from .. import threads

T = TypeVar("T")
READ_TIMEOUT = 10.0
"""Seconds for one read. Local disks take milliseconds; a network drive that takes longer is most likely gone."""

_IS_POSIX = hasattr(os, "geteuid")  # file ownership is different on Windows
# No system has all of these flags.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_CHUNK = 4096  # bytes, for files whose reported size is 0, such as those in /proc


async def read_file(path: str, limit: int) -> bytes | ReadFailure:
    """Return the content of a regular file of at most ``limit`` bytes, or why it could not be read."""
    found = await _in_thread(_read, path, limit)
    return found.content if isinstance(found, _Found) else found


async def read_private(path: str, limit: int) -> PrivateFile | ReadFailure:
    """Return the content of a file that belongs to this user, and whether others can read or write it."""
    found = await _in_thread(_read, path, limit)
    if isinstance(found, ReadFailure):
        return found
    # A file of root is trusted too: it may be mounted into a container.
    if _IS_POSIX and found.status.st_uid not in (os.geteuid(), 0):
        return ReadFailure("belongs to another user")
    is_accessible_to_others = _IS_POSIX and bool(found.status.st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    return PrivateFile(found.content, is_accessible_to_others, signature_of(found.status))


async def read_if_changed(wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
    """Return the current version of each file; None if it is still the known version. One thread reads them all."""

    def read_all() -> list[_Found | ReadFailure]:
        return [_read(path, limit, known) for path, known in wanted]

    return [_version(found) for found in await _in_thread(read_all)]


class _Found(NamedTuple):
    content: bytes
    status: os.stat_result
    is_known: bool


class FileSnapshot:
    """The shared files as one attempt has seen them: each file is read at most once.

    All steps of an attempt then see the same state, even if another program writes meanwhile.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Signature | None, FileVersion | ReadFailure | None]] = {}

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        """Return the current version of each file; None if it is still the known version."""
        unread = [(path, known) for path, known in wanted if not self._is_known(path, known)]
        if unread:
            for (path, known), found in zip(unread, await read_if_changed(unread, limit), strict=True):
                self._seen[path] = (known, found)
        return [self._version_if_changed(path, known) for path, known in wanted]

    def _is_known(self, path: str, known: Signature | None) -> bool:
        """Return whether what was seen of a file is enough for a caller that has this version of it."""
        if path not in self._seen:
            return False
        unchanged_since, found = self._seen[path]
        return found is not None or unchanged_since == known

    def _version_if_changed(self, path: str, known: Signature | None) -> FileVersion | ReadFailure | None:
        found = self._seen[path][1]
        return None if isinstance(found, FileVersion) and found.signature == known else found


async def _in_thread(function: Callable[..., T], *arguments: object) -> T:
    if not threads.enabled:
        return function(*arguments)
    with anyio.move_on_after(READ_TIMEOUT):
        return await threads.run_in_thread(function, *arguments)
    raise ProviderTimeoutError(
        f"a file was not read within {READ_TIMEOUT:g} s", hint="check the network drive that it is on"
    )


def _read(path: str, limit: int, known: Signature | None = None) -> _Found | ReadFailure:
    """Read a regular file, in a thread; only its status if it is still the known version."""
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return ReadFailure("is a directory" if stat.S_ISDIR(status.st_mode) else "is not a regular file")
            if signature_of(status) == known:
                return _Found(b"", status, is_known=True)
            content = b"" if status.st_size > limit else _content(descriptor, status.st_size, limit)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        is_missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return ReadFailure(describe_file_error(error, "read"), is_missing=is_missing)
    if max(status.st_size, len(content)) > limit:
        return ReadFailure(f"is larger than {limit} bytes")
    return _Found(content, status, is_known=False)


def _version(found: _Found | ReadFailure) -> FileVersion | ReadFailure | None:
    if isinstance(found, ReadFailure):
        return found
    return None if found.is_known else FileVersion(found.content, signature_of(found.status))


def signature_of(status: os.stat_result) -> Signature:
    """Return what identifies a version of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_status(path: str) -> os.stat_result:
    """Return the status of what is at a path, as ``_read`` gets it; a symbolic link is not followed."""
    descriptor = os.open(path, _FLAGS | getattr(os, "O_NOFOLLOW", 0))
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
