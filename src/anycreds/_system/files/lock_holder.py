"""Names the process that holds a lock, for the error of those who wait for it in vain."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_ANYONE = "another process or task"
_LOCKS = "/proc/locks"  # of Linux; it has one line for each lock
_MIN_FIELDS = 6  # number, kind, type, access, process, device and inode


def describe_holder(path: str) -> str:
    """Return who holds the lock on a file, and whether that process is suspended."""
    with suppress(OSError, ValueError, IndexError):
        process = _holder(path)
        if process is None or process <= 0:  # 0: it is in another container
            return _ANYONE
        if process == os.getpid():
            return "another task of this process"
        state = Path(f"/proc/{process}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()[0]
        return f"process {process}, which is suspended," if state in "Tt" else f"process {process}"
    return _ANYONE


def _holder(path: str) -> int | None:
    file = file_number(path)
    with open(_LOCKS, encoding="ascii") as locks:
        for line in locks:
            fields = line.split()
            if len(fields) >= _MIN_FIELDS and fields[1] == "FLOCK" and fields[5] == file:
                return int(fields[4])
    return None


def file_number(path: str) -> str:
    """Return what the list calls a file: its device and inode."""
    status = os.stat(path)
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
