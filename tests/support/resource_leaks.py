"""Fails every test that leaves a thread, a file descriptor or an error report of asyncio behind.

Coroutines that were never awaited and sockets that were never closed are warnings, which pytest turns into errors.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.goals import record_goal

# Worker threads that the event loops keep for the next function, for some seconds or until the process exits.
_POOLS = ("AnyIO ", "Trio thread", "trio.", "asyncio_", "ThreadPoolExecutor")
# The time that a thread may take to stop, or the last owner of a descriptor to close it.
_GRACE = 2.0  # seconds; usually it takes no time
_STEP = 0.005
_OWN_FILES = "/proc/self/fd"
_HAS_OWN_FILES = Path(_OWN_FILES).exists()
# The C library, the random generator and the test runner open these when they first need them.
_HARMLESS = ("/dev/null", "/dev/urandom", "/dev/random")


def threads() -> set[threading.Thread]:
    """Return the running threads that belong to no pool."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith(_POOLS)}


def descriptors() -> dict[int, str]:
    """Return the target of each open file descriptor; empty if the system has no list of them."""
    found = {}
    for name in os.listdir(_OWN_FILES) if _HAS_OWN_FILES else ():  # noqa: PTH208 - pathlib takes three times as long
        try:
            target = os.readlink(f"{_OWN_FILES}/{name}")  # noqa: PTH115
        except OSError:
            continue  # the descriptor of the listing itself
        if target not in _HARMLESS:
            found[int(name)] = target
    return found


@contextmanager
def assert_no_resource_leaks() -> Iterator[None]:
    """Raise ``AssertionError`` if the body of ``with`` leaves threads or file descriptors behind."""
    before, files_before = threads(), descriptors()
    yield
    end = time.monotonic() + _GRACE
    while left := _left(before, files_before):
        if time.monotonic() > end:
            raise AssertionError("left behind: " + ", ".join(left))
        gc.collect()  # an object in a reference cycle is no leak; if it is unclosed, that is a warning
        time.sleep(_STEP)


def _left(before: set[threading.Thread], files_before: dict[int, str]) -> list[str]:
    left = [f"thread {thread.name!r}" for thread in threads() - before]
    files = descriptors()
    if len(files) > len(files_before):
        left += [f"descriptor {fd} ({to})" for fd, to in files.items() if files_before.get(fd) != to]
    return left


class _AsyncioReports(logging.Handler):
    """Collects what asyncio logs: exceptions that were never retrieved, tasks that were destroyed while pending."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def pytest_configure(config: pytest.Config) -> None:
    """Let uvloop open its pipe for signals before any test, because the pipe stays open until the process exits."""
    try:
        import uvloop
    except ImportError:
        return
    uvloop.new_event_loop().close()


@pytest.fixture(autouse=True)
def resource_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test if it leaves a thread, a file descriptor or an error report of asyncio behind."""
    reports = _AsyncioReports()
    logger = logging.getLogger("asyncio")
    logger.addHandler(reports)
    is_clean = False
    try:
        with assert_no_resource_leaks():
            yield
        is_clean = not reports.texts
    finally:
        logger.removeHandler(reports)
        counts = {"tests": 1, "left": int(not is_clean)}
        record_goal(request.node, "G18", "{left} of {tests} tests leave something behind", "every test", counts,
                    passed=is_clean)  # fmt: skip
    if reports.texts:
        texts = "; ".join(reports.texts)
        pytest.fail(f"asyncio reported an error of this test or of an earlier one: {texts}", pytrace=False)
