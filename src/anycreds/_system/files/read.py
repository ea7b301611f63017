"""Reading a file without ever blocking the event loop, whatever stands at the path.

Always in a thread, even for a small file: it may lie on a network that hangs. Opened non-blocking and checked to be a
regular file before a byte is read, so that a FIFO or a device does not hold the thread for ever.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..._core.io import FileQuery, FileVersion, PrivateFile, ReadFailure, Signature

T = TypeVar("T")
_IS_POSIX = hasattr(os, "geteuid")  # Windows has other ways to say whose a file is
# No system has all of them.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_PIECE = 4096  # bytes, where a file does not tell how large it is

# Threads know nothing of virtual time: while one works every task waits, and time jumps. So
# ``anycreds.testing.MemoryNetwork`` switches them off; and so does the command line where it runs no event loop.
in_threads = True


async def read_file(path: str, limit: int) -> bytes | ReadFailure:
    """Return the content of a regular file of at most ``limit`` bytes, or why there is none."""
    version = await run_in_thread(_read, path, limit, None)
    assert version is not None  # no version is known that it could still be
    return version if isinstance(version, ReadFailure) else version.content


async def read_private(path: str, limit: int) -> PrivateFile | ReadFailure:
    """Return the content of a file that belongs to this user, and whether others can read or write it."""
    return await run_in_thread(_read_private, path, limit)


async def read_if_changed(wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
    """Return versions of files other than those that are known; None: there is no other. All in one thread."""
    return await run_in_thread(_read_all, tuple(wanted), limit)


async def run_in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Call a plain function in a thread."""
    if not in_threads:
        return function(*arguments)
    from anyio import CapacityLimiter
    from anyio.to_thread import run_sync

    # A limiter of its own: the program may have used up the default one, and must not starve us, nor we it.
    has_begun: list[bool] = []

    def begin() -> T:
        has_begun.append(True)
        return function(*arguments)

    try:
        return await run_sync(begin, abandon_on_cancel=True, limiter=CapacityLimiter(1))
    except RuntimeError:
        if has_begun:
            raise
    return function(*arguments)  # the system starts no more threads: to hold the loop is better than to fail


def home_directory() -> str | None:
    """Return the user's home directory in the system's list of users."""
    try:
        import pwd  # Windows has none

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):  # KeyError: in a container a user may be a number that is in no list
        return None


def _read_private(path: str, limit: int) -> PrivateFile | ReadFailure:
    modes: list[int] = []

    def check(status: os.stat_result) -> ReadFailure | None:
        modes.append(status.st_mode)
        # What the administrator owns is as good as one's own: it may be mounted into a container.
        return ReadFailure("belongs to another user") if _IS_POSIX and status.st_uid not in (os.geteuid(), 0) else None

    version = _read(path, limit, None, check)
    assert version is not None  # no version is known that it could still be
    if isinstance(version, ReadFailure):
        return version
    is_open = _IS_POSIX and bool(modes[0] & (stat.S_IRWXG | stat.S_IRWXO))
    return PrivateFile(version.content, is_open)


def _read_all(wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
    return [_read(path, limit, known) for path, known in wanted]


def _read(
    path: str,
    limit: int,
    known: Signature | None,
    check: Callable[[os.stat_result], ReadFailure | None] | None = None,
) -> FileVersion | ReadFailure | None:
    try:
        descriptor = os.open(path, _FLAGS)
    except (FileNotFoundError, NotADirectoryError) as error:
        return ReadFailure(_reason(error), is_missing=True)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        return ReadFailure(_reason(error))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ReadFailure("is not a regular file" + (" but a directory" if stat.S_ISDIR(status.st_mode) else ""))
        if check is not None and (problem := check(status)) is not None:
            return problem
        signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if signature == known:
            return None
        if status.st_size > limit:
            return ReadFailure(f"is larger than {limit} bytes")
        content = _content(descriptor, status.st_size, limit)
    except OSError as error:
        return ReadFailure(_reason(error))
    finally:
        os.close(descriptor)
    return FileVersion(content, signature) if len(content) <= limit else ReadFailure(f"is larger than {limit} bytes")


def _content(descriptor: int, size: int, limit: int) -> bytes:
    """Return what stands in a file, or one byte more than the limit. ``size`` is what it had a moment ago.

    In pieces as large as that, since Python takes its time to make room for as much as the limit.
    """
    pieces: list[bytes] = []
    left = limit + 1
    while left > 0 and (piece := os.read(descriptor, min(max(size, _PIECE) + 1, left))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {os.strerror(error.errno)}"
    return "is not a possible path"
