"""Reading a file without ever blocking the event loop, whatever stands at the path.

Always in a thread, even for a small file: it may lie on a network that hangs. Opened non-blocking and checked to be a
regular file before a byte is read, so that a FIFO or a device does not hold the thread for ever.
"""

from __future__ import annotations

import os
import stat

from .._io import Unreadable


async def read_file(path: str, limit: int) -> bytes | Unreadable:
    """Return the content of a regular file of at most ``limit`` bytes, or why there is none."""
    from anyio import CapacityLimiter
    from anyio.to_thread import run_sync

    # A limiter of its own: the program may have used up the default one, and must not starve us, nor we it.
    return await run_sync(_read, path, limit, abandon_on_cancel=True, limiter=CapacityLimiter(1))


def _read(path: str, limit: int) -> bytes | Unreadable:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        return Unreadable(_reason(error))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return Unreadable("is not a regular file" + (" but a directory" if stat.S_ISDIR(status.st_mode) else ""))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        return Unreadable(_reason(error))
    finally:
        os.close(descriptor)
    return content if len(content) <= limit else Unreadable(f"is larger than {limit} bytes")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {os.strerror(error.errno)}"
    return "is not a possible path"
