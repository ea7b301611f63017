"""What a test leaves behind is seen; what a pool keeps, or what ends in a moment, is not held against it."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
import pytest

from support import resource_leaks


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for what will not go away."""
    monkeypatch.setattr(resource_leaks, "_GRACE", 0.02)


def test_a_thread_is_seen() -> None:
    """A thread that runs on is named."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="stray")
    with pytest.raises(AssertionError, match="left behind: thread 'stray'"), resource_leaks.assert_no_resource_leaks():
        thread.start()
    end.set()
    thread.join()


def test_a_descriptor_is_seen() -> None:
    """A socket that stays open is named, where the system tells what is open."""
    if not resource_leaks.descriptors():
        pytest.skip("this system has no /proc/self/fd")
    kept: list[socket.socket] = []
    with (
        pytest.raises(AssertionError, match=r"left behind: descriptor \d+ \(socket:"),
        resource_leaks.assert_no_resource_leaks(),
    ):
        kept.append(socket.socket())
    kept.pop().close()


def test_what_is_closed_is_no_matter() -> None:
    """Threads that have ended and files that are closed are not left behind."""
    with resource_leaks.assert_no_resource_leaks():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        socket.socket().close()


def test_pools_may_stay() -> None:
    """The workers of thread pools may wait for more work."""
    pool = ThreadPoolExecutor()
    with resource_leaks.assert_no_resource_leaks():
        pool.submit(int).result()
    pool.shutdown()


@pytest.mark.anyio
async def test_worker_threads_may_stay() -> None:
    """The worker threads of an event loop may wait for more work."""
    with resource_leaks.assert_no_resource_leaks():
        await anyio.to_thread.run_sync(int)
