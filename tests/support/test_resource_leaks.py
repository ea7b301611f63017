"""The resource-leak detector reports leaks, but not the workers of pools, nor what ends within its grace period."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import anyio.to_thread
import pytest

from support import resource_leaks


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only briefly for leaked resources."""
    monkeypatch.setattr(resource_leaks, "_GRACE", 0.02)


def test_running_thread_is_reported() -> None:
    """A thread that is still running is reported by name."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="stray")
    with pytest.raises(AssertionError, match="left behind: thread 'stray'"), resource_leaks.assert_no_resource_leaks():
        thread.start()
    end.set()
    thread.join()


def test_open_descriptor_is_reported() -> None:
    """A socket that is still open is reported, if the system lists open descriptors."""
    if not resource_leaks.descriptors():
        pytest.skip("this system has no /proc/self/fd")
    sockets: list[socket.socket] = []
    with (
        pytest.raises(AssertionError, match=r"left behind: descriptor \d+ \(socket:"),
        resource_leaks.assert_no_resource_leaks(),
    ):
        sockets.append(socket.socket())
    sockets.pop().close()


def test_closed_resources_are_no_leak() -> None:
    """Threads that have ended and sockets that are closed are not reported."""
    with resource_leaks.assert_no_resource_leaks():
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        socket.socket().close()


def test_pool_threads_are_no_leak() -> None:
    """The idle workers of a thread pool are not reported."""
    pool = ThreadPoolExecutor()
    with resource_leaks.assert_no_resource_leaks():
        pool.submit(int).result()
    pool.shutdown()


@pytest.mark.anyio
async def test_worker_threads_are_no_leak() -> None:
    """The idle worker threads of an event loop are not reported."""
    with resource_leaks.assert_no_resource_leaks():
        await anyio.to_thread.run_sync(int)
