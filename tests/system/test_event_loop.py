"""Tests of tasks that belong to an event loop run, and of the identity of the run."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import types
from contextlib import closing
from contextvars import ContextVar, copy_context

import anyio
import pytest
import trio

from anycreds._system import event_loop

pytestmark = pytest.mark.realtime


def ended() -> None:
    """Ignore the end of a task."""


UVLOOP = pytest.mark.parametrize("use_uvloop", [False, pytest.param(True, marks=pytest.mark.skipif(
    sys.platform == "win32", reason="there is no uvloop for Windows"))])  # fmt: skip


class OddError(BaseException):
    """An error that is not an ``Exception``."""


@pytest.mark.parametrize("leave", [SystemExit(3), KeyboardInterrupt(), ValueError("no"), OddError()], ids=repr)
@pytest.mark.parametrize("how", ["returned", "raised", "in a group"])
def test_errors_of_system_tasks_on_trio_are_logged(
    leave: BaseException, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """On trio, whose system tasks must not raise, an error of a body is logged with its class and not raised."""

    async def body() -> BaseException | None:
        if how == "returned":
            return leave
        raise leave if how == "raised" else BaseExceptionGroup("a group", [leave])

    async def main() -> str:
        event_loop.spawn_system_task(body, ended, "a task", copy_context())
        await trio.sleep(0.001)
        return "done"

    assert trio.run(main) == "done"
    name = type(leave).__name__ if how != "in a group" else "Group"
    assert f"{name} was raised, and no caller was waiting" in caplog.text
    assert [record.levelno for record in caplog.records if record.name == "anycreds.cache"] == [logging.ERROR]


@UVLOOP
def test_process_exit_ends_the_run_on_asyncio(use_uvloop: bool) -> None:
    """On asyncio a ``SystemExit`` that a body returns ends the run, as from any task."""

    async def body() -> BaseException | None:
        return SystemExit(3)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it reports the exit once more
        event_loop.spawn_system_task(body, ended, "a task", copy_context())
        await anyio.sleep(1)

    with pytest.raises(SystemExit):
        anyio.run(main, backend_options={"use_uvloop": use_uvloop})


@pytest.mark.not_eager("an eager task has its first step when it is created")
@UVLOOP
def test_task_that_is_cancelled_before_its_first_step(use_uvloop: bool) -> None:
    """Asyncio drops such a task without running its code. Its end is reported nevertheless."""
    reports: list[str] = []

    async def body() -> BaseException | None:
        reports.append("started")
        return None

    async def main() -> None:
        event_loop.spawn_system_task(body, lambda: reports.append("ended"), "a task", copy_context())
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        assert task.get_name() == "a task"
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
        await asyncio.sleep(0)

    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
    assert reports == ["ended"]


@UVLOOP
def test_loop_that_ends_right_after_the_start_reports_the_end(use_uvloop: bool) -> None:
    """An event loop that ends in the step in which a task was created ends the task, too, and its end is reported."""
    reports: list[str] = []

    async def body() -> BaseException | None:
        await asyncio.sleep(1)
        return None

    async def main() -> None:
        event_loop.spawn_system_task(body, lambda: reports.append("ended"), "a task", copy_context())

    before = dict(event_loop._tasks)
    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
    assert reports == ["ended"]
    assert event_loop._tasks == before


@pytest.mark.fault("C12")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_task_runs_in_the_given_context(backend: str) -> None:
    """A task sees the given context, and its changes affect no other context."""
    who = ContextVar("who", default="default")
    seen: list[str] = []

    async def body() -> BaseException | None:
        seen.append(who.get())
        who.set("the task")
        return None

    async def main() -> None:
        who.set("the caller")
        context = copy_context()
        who.set("another caller")
        event_loop.spawn_system_task(body, ended, "a task", context)
        await anyio.sleep(0.001)
        assert who.get() == "another caller"

    anyio.run(main, backend=backend)
    assert seen == ["the caller"]


def test_partly_imported_trio_does_not_hide_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread imports trio, its module has no attributes, and asyncio's loop is found nevertheless."""

    async def main() -> bool:
        monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
        return event_loop.current_loop() is asyncio.get_running_loop()

    assert asyncio.run(main())


def test_current_loop_is_one_object_for_each_run() -> None:
    """Each run of an event loop is one object of its own, and a run of asyncio is known to have ended."""

    async def main() -> object:
        assert event_loop.current_loop() is event_loop.current_loop()
        assert not event_loop.is_loop_closed(event_loop.current_loop())
        return event_loop.current_loop()

    for backend in ("asyncio", "trio"):
        first, second = anyio.run(main, backend=backend), anyio.run(main, backend=backend)
        assert first is not second
        assert event_loop.is_loop_closed(first) == (backend == "asyncio")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_call_in_a_run_from_another_thread(backend: str) -> None:
    """A function is called in the thread of a run that goes on; of one that is over this is known."""
    threads: list[int] = []

    async def main() -> object:
        loop, done = event_loop.current_loop(), anyio.Event()

        def call() -> None:
            threads.append(threading.get_ident())
            done.set()

        assert await anyio.to_thread.run_sync(event_loop.call_soon, loop, call)
        await done.wait()
        return loop

    loop = anyio.run(main, backend=backend)
    assert threads == [threading.get_ident()]
    assert not event_loop.call_soon(loop, threads.clear)
    assert threads


def test_call_in_a_stopped_loop_waits_for_its_next_run() -> None:
    """A loop of asyncio that is not running at the moment counts as stopped, and calls the function when it runs."""
    called: list[int] = []
    with closing(asyncio.new_event_loop()) as loop:
        assert not event_loop.call_soon(loop, lambda: called.append(1))
        assert called == []
        loop.run_until_complete(asyncio.sleep(0))
    assert called == [1]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_call_later_can_be_cancelled(backend: str) -> None:
    """A timer calls its function after its time, unless it was cancelled before."""
    called: list[int] = []

    async def main() -> None:
        event_loop.call_later(0.005, lambda: called.append(1))
        event_loop.call_later(0.005, lambda: called.append(2))()
        await anyio.sleep(0.02)

    anyio.run(main, backend=backend)
    assert called == [1]
