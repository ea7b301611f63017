"""Tests that blocking work runs in daemon threads whose results reach the task that waits for them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import anyio
import pytest

from anycreds._system import threads
from anycreds._system.threads import ThreadCall, run_in_thread

pytestmark = pytest.mark.anyio


class CallError(Exception):
    """Raised by a function in a thread."""


def fail() -> None:
    raise CallError


async def test_result_is_returned_and_error_is_raised() -> None:
    """The function's result is returned and its error is raised, by another thread than the event loop's."""
    assert await run_in_thread(divmod, 7, 3) == (2, 1)
    assert await run_in_thread(threading.get_ident) != threading.get_ident()
    assert (await run_in_thread(threading.current_thread)).daemon
    with pytest.raises(CallError):
        await run_in_thread(fail)


async def test_event_loop_runs_meanwhile() -> None:
    """Other tasks run while a thread works, and many threads work at once."""
    barrier = threading.Barrier(60)  # more than the 40 threads of anyio's pool
    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(run_in_thread, barrier.wait, 10)


async def test_call_cancelled_before_the_start_is_not_made() -> None:
    """If the caller is cancelled already, the function is not called."""
    called: list[None] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await run_in_thread(called.append, None)
    assert (scope.cancelled_caught, called) == (True, [])


async def test_cancelled_caller_leaves_the_thread() -> None:
    """A cancelled caller leaves at once, and the function runs to its end."""
    released, ended = threading.Event(), threading.Event()

    def work() -> None:
        released.wait(10)
        ended.set()

    with anyio.move_on_after(0.01) as scope:
        await run_in_thread(work)
    assert scope.cancelled_caught
    assert not ended.is_set()
    released.set()
    assert ended.wait(10)


async def test_call_can_be_waited_for_again() -> None:
    """After its caller was cancelled, a call can still be waited for, and gives its result."""
    released = threading.Event()
    call = ThreadCall(released.wait, 10)
    with anyio.move_on_after(0.01):
        await call.wait()
    released.set()
    await call.wait()
    assert call.result() is True


async def test_system_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the operating system starts no more threads, the function is called by the event loop's thread."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert await run_in_thread(threading.get_ident) == threading.get_ident()


async def test_disabled_threads_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """If threads are disabled, as under virtual time, the function is called by the event loop's thread."""
    monkeypatch.setattr(threads, "enabled", False)
    assert await run_in_thread(threading.get_ident) == threading.get_ident()
    with pytest.raises(CallError):
        await run_in_thread(fail)


PROGRAM = """
import sys, time
import anyio
from anycreds._system.threads import run_in_thread

async def main():
    with anyio.move_on_after(0.05):
        await run_in_thread(time.sleep, {seconds})
    print("left")

if sys.argv[1] == "asyncio":
    import asyncio
    asyncio.run(main())
elif sys.argv[1] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    import trio
    trio.run(main)
time.sleep({after})
"""


@pytest.mark.fault("C21")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "trio"])
def test_hung_thread_does_not_keep_a_program_from_ending(loop: str) -> None:
    """A program ends while one of its threads hangs, as in a read from a network drive that is gone."""
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="there is no uvloop for Windows")
    started = time.monotonic()
    program = PROGRAM.format(seconds=60, after=0)
    done = subprocess.run([sys.executable, "-c", program, loop], capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout, done.stderr) == ("left\n", "")
    assert time.monotonic() - started < 50


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_thread_that_ends_after_its_event_loop(loop: str) -> None:
    """A thread whose event loop is closed before it ends reports no error."""
    program = PROGRAM.format(seconds=0.2, after=0.4)
    done = subprocess.run([sys.executable, "-c", program, loop], capture_output=True, text=True, timeout=50, check=True)
    assert (done.stdout, done.stderr) == ("left\n", "")
