"""Fails a test that sleeps in real time, unless it has the marker ``realtime``, and then each sleep of more than 0.2 s.

Judged by the requested delay and the kind of event loop, not by measuring. Only sleeps of tests and helpers count,
not those of the library, and only those that end: a sleep that is cancelled stands for a wait without end.
Sleeps outside the call of a test, such as in fixtures, and in other processes are not watched.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from anycreds.testing import VirtualLoop

LONGEST = 0.2  # seconds
_TESTS = str(Path(__file__).parents[1])
# These helpers wait until a thread or connection has ended, which is real in every test that gets that far.
_EXEMPT = {str(Path(__file__).with_name(name)) for name in ("resource_leaks.py", "raw_http_server.py")}

_sleeps: list[tuple[float, str]] | None = None
"""The delay and the place of each sleep of the running test; None if no test is running."""


def _is_virtual() -> bool:
    """Return whether the running event loop is under virtual time."""
    try:
        loop = asyncio.get_running_loop()
        detangle = sys.modules.get("detangle")  # not every environment has it
        return isinstance(loop, VirtualLoop) or (detangle is not None and isinstance(loop, detangle.SimLoop))
    except RuntimeError:
        pass
    try:
        return isinstance(trio.lowlevel.current_clock(), trio.testing.MockClock)
    except RuntimeError:
        return False


def _place() -> str | None:
    """Return the line of a test or helper that called ``sleep()``; None if that was another module."""
    code = (frame := sys._getframe(2)).f_code
    inside = code.co_filename.startswith(_TESTS) and code.co_filename not in _EXEMPT
    return f"{code.co_filename.rpartition(os.sep)[2]}:{frame.f_lineno}" if inside else None


def _record(delay: float, place: str) -> None:
    if _sleeps is not None:
        _sleeps.append((delay, place))


def _watch(module: Any) -> None:
    sleep: Callable[..., Any] = module.sleep

    def blocking(delay: float) -> None:
        place = _place()
        sleep(delay)
        if place and delay > 0:
            _record(delay, place)

    async def watched(delay: float, place: str, *result: Any) -> Any:
        virtual = _is_virtual()
        returned = await sleep(delay, *result)
        if not virtual:
            _record(delay, place)
        return returned

    def asynchronous(delay: float, *result: Any) -> Any:
        place = _place()
        return watched(delay, place, *result) if place and delay > 0 else sleep(delay, *result)

    module.sleep = blocking if module is time else asynchronous


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "realtime: what is tested is real: a process, a socket, a signal or a thread.")
    if not getattr(time, "_anycreds_watched", False):
        time._anycreds_watched = True  # type: ignore[attr-defined]
        for module in (time, asyncio, anyio, trio):
            _watch(module)


@contextmanager
def assert_no_real_sleeps(longest: float = 0.0) -> Iterator[None]:
    """Raise ``AssertionError`` if the body of ``with`` sleeps for more than ``longest`` real seconds at once."""
    global _sleeps  # noqa: PLW0603 - the functions that are watched belong to the whole process
    sleeps: list[tuple[float, str]] = []
    before, _sleeps = _sleeps, sleeps
    try:
        yield
    finally:
        _sleeps = before
    long = sorted({f"{delay:g} s at {place}" for delay, place in sleeps if delay > longest})
    assert not long, f"slept in real time (at most {longest:g} s): " + ", ".join(long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    with assert_no_real_sleeps(LONGEST if item.get_closest_marker("realtime") else 0.0):
        yield
