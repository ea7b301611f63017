"""Virtual time on asyncio and trio."""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel
import pytest

from anycreds.testing import FakeAWS, VirtualClock, VirtualLoop, virtual_backend
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend

__all__ = ["anyio_backend"]  # a fixture: it makes the tests of this module run under virtual time

DAY = 24 * 3600.0

pytestmark = pytest.mark.anyio


async def test_a_day_takes_no_time() -> None:
    """A sleep of a day takes a day of virtual time and no real time."""
    started, real = anyio.current_time(), time.perf_counter()
    await anyio.sleep(DAY)
    assert anyio.current_time() - started == DAY
    assert time.perf_counter() - real < 1.0


async def test_each_test_starts_at_zero() -> None:
    """Each test has a new clock, so that no test depends on another."""
    assert anyio.current_time() < 0.001


@pytest.mark.parametrize("seconds", [0.1, 1.0, 60.0, 86_399.7])
async def test_deadline_is_exact(seconds: float) -> None:
    """A deadline is exact, also after sleeps that floats cannot represent exactly."""
    for odd in (0.1, 0.2, 0.7):
        await anyio.sleep(odd)
    started = anyio.current_time()
    with anyio.move_on_after(seconds) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert anyio.current_time() - started == pytest.approx(seconds, abs=1e-9)


async def test_tasks_wake_in_deadline_order() -> None:
    """Tasks wake in the order of their deadlines, each at its time."""
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append((name, anyio.current_time()))

    async with anyio.create_task_group() as tasks:
        for name, seconds in (("c", 3600.0), ("a", 1.0), ("b", 60.0)):
            tasks.start_soon(sleeper, name, seconds)
    assert woken == [("a", 1.0), ("b", 60.0), ("c", 3600.0)]


async def test_no_jump_while_a_task_can_run() -> None:
    """Time stands still while a task can run."""
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, DAY)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert anyio.current_time() == started
        tasks.cancel_scope.cancel()
    assert anyio.current_time() == started


async def test_sockets_work() -> None:
    """A message on a socket arrives before time jumps, and the latency of a fake is virtual."""
    async with FakeAWS(latency=3600.0) as aws:
        host, _, port = aws.metadata_url.removeprefix("http://").partition(":")
        started = anyio.current_time()
        with anyio.fail_after(3601.0):
            async with await anyio.connect_tcp(host, int(port)) as stream:
                await stream.send(b"GET / HTTP/1.1\r\nHost: fake\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 401 ")
        assert anyio.current_time() - started == pytest.approx(3600.0, abs=1e-3)


async def test_the_clock_follows_the_loop() -> None:
    """A ``VirtualClock`` follows the event loop's time, and its wall clock can be stepped."""
    clock = VirtualClock(1000.0)
    started = clock.monotonic()
    await anyio.sleep(30.0)
    clock.step(-500.0)
    assert clock.monotonic() - started == pytest.approx(30.0, abs=1e-3)
    assert clock.time() - started == pytest.approx(530.0, abs=1e-3)


def test_asyncio_starts_no_thread_and_no_process() -> None:
    """``VirtualLoop`` raises ``RuntimeError`` instead of starting a thread or a process."""
    loop = VirtualLoop()
    try:
        with pytest.raises(RuntimeError, match="thread"):
            loop.run_in_executor(None, print)
        for start in (loop.subprocess_exec, loop.subprocess_shell):
            with pytest.raises(RuntimeError, match="process"):
                loop.run_until_complete(start(None, "true"))
    finally:
        loop.close()


def test_unsupported_backend() -> None:
    """An unsupported backend is an error that lists the supported ones."""
    with pytest.raises(ValueError, match="asyncio and trio"):
        virtual_backend("curio")
