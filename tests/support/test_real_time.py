"""The guard against real waiting reports sleeps that end, unless they are virtual, marked, or the library's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
import trio
import trio.testing

from anycreds.testing import VirtualLoop
from support import real_time
from support.real_time import assert_no_real_sleeps

SHORT = 0.001


async def _sleep(module: Any) -> None:
    await module.sleep(SHORT)


@pytest.mark.parametrize(
    "sleep",
    [
        pytest.param(lambda: time.sleep(SHORT), id="time"),
        pytest.param(lambda: asyncio.run(_sleep(asyncio)), id="asyncio"),
        pytest.param(lambda: asyncio.run(_sleep(anyio)), id="anyio on asyncio"),
        pytest.param(lambda: trio.run(_sleep, trio), id="trio"),
        pytest.param(lambda: trio.run(_sleep, anyio), id="anyio on trio"),
    ],
)
def test_real_sleep_is_reported(sleep: Callable[[], None]) -> None:
    """A real sleep is reported with its delay and line, unless the test may sleep that long."""
    with pytest.raises(AssertionError, match=r"0\.001 s at test_real_time\.py:\d+"), assert_no_real_sleeps():
        sleep()
    with assert_no_real_sleeps(longest=SHORT):
        sleep()


def test_sleep_in_a_thread_is_reported() -> None:
    """A sleep in another thread than the test's is reported too."""

    async def main() -> None:
        await anyio.to_thread.run_sync(lambda: time.sleep(SHORT))

    with pytest.raises(AssertionError, match="slept in real time"), assert_no_real_sleeps():
        anyio.run(main)


def test_virtual_sleep_is_not_reported() -> None:
    """Sleeps on a virtual event loop of asyncio or trio may have any length."""
    with assert_no_real_sleeps():
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            assert runner.run(asyncio.sleep(3600, "result")) == "result"

        async def main() -> None:
            await anyio.sleep(3600)

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_sleep_is_not_reported(backend: str) -> None:
    """A sleep that is cancelled, and one that only yields to other tasks, are not reported."""

    async def main() -> None:
        await anyio.sleep(0)  # noqa: ASYNC115 - that it is not reported
        with anyio.move_on_after(SHORT):
            await anyio.sleep(3600)

    with assert_no_real_sleeps():
        anyio.run(main, backend=backend)


def test_sleep_of_the_library_is_not_reported() -> None:
    """A sleep that another module than a test or helper calls is not reported."""
    with assert_no_real_sleeps():
        anyio.run(anyio.sleep, SHORT)


@pytest.mark.parametrize(
    ("delay", "longest"),
    [
        pytest.param(SHORT, "0", id="unmarked"),
        pytest.param(0.003, "0.002", id="marked", marks=pytest.mark.realtime),
    ],
)
def test_marker_decides_how_long_a_test_may_sleep(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, delay: float, longest: str
) -> None:
    """A test fails after any real sleep if it is unmarked, and after a longer one than the limit if it is marked."""
    assert request.config.pluginmanager.has_plugin("support.real_time")
    assert real_time.LONGEST == 0.2
    monkeypatch.setattr(real_time, "LONGEST", 0.002)
    call = real_time.pytest_runtest_call(request.node)
    next(call)
    time.sleep(delay)
    with pytest.raises(AssertionError, match=rf"at most {longest} s\): {delay:g} s at test_real_time"):
        next(call)
