"""Reads small files without a thread where that cannot block the event loop: on Linux, from the page cache.

A thread costs 0.2 ms, as much as everything else that a profile with access keys needs. But a path may lead to a server
that hangs, and then even opening it blocks. So a file is read here only if

- every mount on the way to it is a local file system, by the kernel's own table, which no server can delay,
- no component of its path is a symbolic link, which could lead elsewhere,
- all of it is in memory (``RWF_NOWAIT``), so that not even a disk is waited for.

The first two are checked once a second: reading the table takes 40 µs, and opening both shared files 7 µs. So a server
that hangs could block the event loop only if it was mounted there within that second.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from time import monotonic

from ..._core.io import FileQuery, ReadFailure, Signature
from .read import FoundFile, describe_file_error, signature_of

# Bytes of one file. Both shared files together then have 64 KiB at most, which take a millisecond to parse.
SMALL = 32 * 1024
# Those that can read without waiting (``RWF_NOWAIT``). No other file system is known to be local: an overlay may have
# anything below it.
LOCAL_FILE_SYSTEMS = frozenset((b"btrfs", b"ext4", b"f2fs", b"xfs"))
# Bytes of the table of mounts, 500 of them. Reading more of it takes longer than a thread.
MAX_TABLE = 64 * 1024

_TABLE = "/proc/self/mountinfo"
# How the table writes the characters that would end a field or a line.
_ESCAPES = ((b"\\", b"\\134"), (b" ", b"\\040"), (b"\t", b"\\011"), (b"\n", b"\\012"))
_IS_SUPPORTED = hasattr(os, "RWF_NOWAIT") and hasattr(os, "O_PATH")  # that is Linux
_MISSING = ReadFailure(describe_file_error(FileNotFoundError(errno.ENOENT, ""), "read"), is_missing=True)
if _IS_SUPPORTED:
    _FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def read_directly(wanted: Sequence[FileQuery]) -> list[FoundFile | ReadFailure] | None:
    """Return the current version of each file; None if a thread has to read them, for any reason."""
    if not _IS_SUPPORTED:
        return None
    second = int(monotonic())
    try:
        for path, _ in wanted:
            if not _is_local(path, second):
                return None
        return [_read(path, known) for path, known in wanted]
    except (OSError, ValueError, NotImplementedError):  # a thread finds the reason, and the words for it
        return None


def _read(path: str, known: Signature | None) -> FoundFile | ReadFailure:
    try:
        descriptor = os.open(path, _FILE)
    except FileNotFoundError:
        return _MISSING
    try:
        status = os.fstat(descriptor)
        if signature_of(status) == known:
            return FoundFile(b"", status, is_known=True)
        if not stat.S_ISREG(status.st_mode) or status.st_size > SMALL:
            raise ValueError
        content = bytearray(status.st_size + 1)
        if os.preadv(descriptor, [content], 0, os.RWF_NOWAIT) != status.st_size:
            raise ValueError  # another program writes it, or a part is not in memory
        return FoundFile(bytes(content[:-1]), status, is_known=False)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=8)
def _is_local(path: str, second: int) -> bool:
    """Return whether every mount on the way to a path is local, and no folder is a symbolic link.

    ``second`` is the current one, so that the answer is a second old at most.
    """
    names = path.split("/")[1:]
    if path[:1] != "/" or not {"", ".", ".."}.isdisjoint(names):
        return False  # the table of mounts has no such paths
    escaped = os.fsencode(path) + b"/"
    for character, escape in _ESCAPES:
        escaped = escaped.replace(character, escape)
    found = {kind for mount, kind in _mounts(second) if escaped.startswith(mount.rstrip(b"/") + b"/")}
    folders = ("/" + "/".join(names[:count]) for count in range(1, len(names)))
    return found <= LOCAL_FILE_SYSTEMS and not any(map(os.path.islink, folders))


def _mounts(second: int) -> Iterator[tuple[bytes, bytes]]:
    """Return the path and file system of each mount; see proc_pid_mountinfo(5)."""
    for line in _read_table(second).splitlines():
        mount, _, file_system = line.partition(b" - ")
        yield mount.split(b" ", 5)[4], file_system.partition(b" ")[0]


@lru_cache(maxsize=1)  # for both shared files
def _read_table(second: int) -> bytes:  # noqa: ARG001 - the key of the cache
    table = b""
    descriptor = os.open(_TABLE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while chunk := os.read(descriptor, MAX_TABLE):
            table += chunk
            if len(table) > MAX_TABLE:
                raise ValueError
    finally:
        os.close(descriptor)
    return table
