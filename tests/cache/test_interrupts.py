"""A signal handler, or the garbage collector, that changes a cache while its thread is in the middle of a change."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import anyio
import pytest

import anycreds
from anycreds._cache import state as state_module
from anycreds._cache.outcome import ABANDONED, Outcome
from anycreds._cache.refresh import InFlightRefresh
from anycreds.testing import ManualClock, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import FakeSource, make_credentials

HOUR = 3600.0

PROGRAM = """
import signal, sys, anyio, anycreds

numbers = iter(range(1, 9))

async def source():
    return anycreds.Credentials(f"AKID{next(numbers)}", "secret")

provider = anycreds.cached(source)

async def main():
    first = await provider()
    signal.signal(signal.SIGTERM, lambda *_: print(provider.invalidate(first)))
    with provider._state._lock:
        signal.raise_signal(signal.SIGTERM)
    print((await provider()).access_key_id)

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.realtime
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_signal_handler_invalidates_while_its_thread_has_the_lock(backend: str) -> None:
    """A signal handler that invalidates in the middle of a change neither waits for its own thread nor is ignored."""
    command = [sys.executable, "-c", PROGRAM, backend]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)
    assert (ended.stdout.split(), ended.stderr) == (["True", "AKID2"], "")


@contextmanager
def interrupted_at(line: int, handler: Callable[[], object]) -> Iterator[list[str]]:
    """Call a handler before one of the lines that are run in the cache's state, as a signal handler would be.

    The value is the function whose line it was, in a list; it is empty if fewer lines were run.
    """
    found: list[str] = []
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != state_module.__file__:
            return None
        if event == "line":
            count += 1
            if count == line:
                found.append(frame.f_code.co_name)
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)


async def interrupted_names(line: int) -> list[str]:
    """Check an invalidation at a line of two calls, the second of which refreshes. Return whose line it was."""
    clock = VirtualClock()
    provider = anycreds.cached(FakeSource(clock, life=HOUR), clock=clock)
    first = await provider()
    await anyio.sleep(100)
    with interrupted_at(line, lambda: provider.invalidate(first)) as interrupted:
        await provider()
        if not interrupted:
            await anyio.sleep(HOUR - 130)
            await provider()
    assert not provider._state._deferred._changes
    last = provider._state.cached_or_none()
    assert last is None or last.access_key_id != "AKID1", (line, interrupted)
    assert (await provider()).access_key_id != "AKID1", (line, interrupted)
    return interrupted


@pytest.mark.anyio
async def test_invalidation_before_any_line_of_a_change() -> None:
    """Invalidated at any step of a call and its refresh, credentials are not returned by the next call."""
    functions: set[str] = set()
    for line in itertools.count(1):
        interrupted = await interrupted_names(line)
        if not interrupted:
            break
        functions.update(interrupted)
    assert line > 50
    assert {"plan_call", "apply_outcome", "_update_fast_path"} <= functions


def new_provider() -> anycreds.CachedProvider:
    clock = ManualClock()
    return anycreds.cached(FakeSource(clock), clock=clock)


def test_deferred_invalidation_is_made_at_the_end_of_the_change() -> None:
    """The result of an invalidation in the middle of a change says whether it will drop the credentials."""
    state = new_provider()._state
    first, other = make_credentials("A", None), make_credentials("B", None)
    refresh = InFlightRefresh(state, "loop")
    refresh.generation = 0
    state.apply_outcome(refresh, Outcome(first))
    with state._lock:
        assert not state.invalidate(other)
        assert state.invalidate(first)
        assert state.snapshot[0] is not None  # the change goes on with what it has read
        assert state.cached_or_none() is None
    with pytest.raises(anycreds.LifetimeTooShortError):
        state.reject_min_ttl(state.now, 5.0, 10.0)
    assert (state.generation, state.cached_or_none()) == (1, None)


def test_refresh_that_is_collected_in_the_middle_of_a_change() -> None:
    """The garbage collector may end the refresh of a closed loop in the middle of a change, which goes on before."""
    state = new_provider()._state
    refresh = state.plan_call("loop", None, has_waited=False, force=False).new
    assert refresh is not None
    with state._lock:
        refresh.finish()
        assert refresh.outcome is ABANDONED
        assert state.refreshes.is_planned("loop")
    assert not state.invalidate(make_credentials("A", None))
    assert not state.refreshes.is_planned("loop")


def test_deferred_changes_are_made_in_order() -> None:
    """Of several deferred changes the first is made first."""
    deferred = new_provider()._state._deferred
    made: list[int] = []
    with deferred._lock:
        for number in range(3):
            assert deferred.add_if_interrupting(partial(made.append, number))
    deferred.run()
    assert made == [0, 1, 2]


def test_threads_share_deferred_changes() -> None:
    """Each deferred change is made once, whatever thread makes it; a thread without the lock defers nothing."""
    deferred = new_provider()._state._deferred
    made: list[int] = []
    with deferred._lock:
        for number in range(1000):
            assert deferred.add_if_interrupting(partial(made.append, number))
    threads = [threading.Thread(target=deferred.run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1000))
    assert not deferred.add_if_interrupting(list)
