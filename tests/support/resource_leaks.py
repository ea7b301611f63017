"""A test leaves nothing behind: no thread, no file descriptor, no complaint of asyncio's. Autouse.

Coroutines that were never awaited and sockets that were never closed are warnings, which pytest makes errors.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Worker threads that the event loops keep for the next job, for some seconds or until the process ends.
_POOLS = ("AnyIO ", "Trio thread", "trio.", "asyncio_", "ThreadPoolExecutor")
# A thread that has been told to stop, or a descriptor that its last holder is just letting go, gets this long.
_GRACE = 2.0  # seconds; nearly always nothing of it is used
_STEP = 0.005
_OWN_FILES = Path("/proc/self/fd")
# The C library, the random generator and the test runner open these when they first need them.
_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random")


def threads() -> set[threading.Thread]:
    """Return the living threads that belong to no pool."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(_POOLS)}


def descriptors() -> dict[int, str]:
    """Return what each open file descriptor refers to; nothing where the system does not tell."""
    found = {}
    if _OWN_FILES.exists():
        for file in _OWN_FILES.iterdir():
            try:
                target = str(file.readlink())
            except OSError:
                continue  # the one that listed them
            if target not in _HARMLESS:
                found[int(file.name)] = target
    return found


@contextmanager
def assert_no_resource_leaks() -> Iterator[None]:
    """Raise ``AssertionError`` if what runs in the ``with`` leaves threads or file descriptors behind."""
    before, files_before = threads(), descriptors()
    yield
    end = time.monotonic() + _GRACE
    while left := _left(before, files_before):
        if time.monotonic() > end:
            raise AssertionError("left behind: " + ", ".join(left))
        gc.collect()  # what only a cycle holds is not leaked; if it should have been closed, that is a warning
        time.sleep(_STEP)


def _left(before: set[threading.Thread], files_before: dict[int, str]) -> list[str]:
    left = [f"thread {thread.name!r}" for thread in threads() - before]
    files = descriptors()
    if len(files) > len(files_before):
        left += [f"descriptor {fd} ({to})" for fd, to in files.items() if files_before.get(fd) != to]
    return left


class _Complaints(logging.Handler):
    """What asyncio reports and nobody reads: errors that no one awaited, tasks that were forgotten."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def pytest_configure(config: pytest.Config) -> None:
    """Let uvloop open, before any test, what it keeps until the process ends: a pipe for signals."""
    try:
        import uvloop
    except ImportError:
        return
    uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
def resource_leaks() -> Iterator[None]:
    """Fail the test if it leaves something behind."""
    complaints = _Complaints()
    logger = logging.getLogger("asyncio")
    logger.addHandler(complaints)
    try:
        with assert_no_resource_leaks():
            yield
    finally:
        logger.removeHandler(complaints)
    if complaints.texts:
        texts = "; ".join(complaints.texts)
        pytest.fail(f"asyncio complained, of this test or of an earlier one's remains: {texts}", pytrace=False)
