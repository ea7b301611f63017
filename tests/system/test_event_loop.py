"""Tasks that belong to a run: what leaves them, and which run this is."""

from __future__ import annotations

import asyncio
import logging
import sys
import types
from contextvars import ContextVar, copy_context

import anyio
import pytest
import trio

from anycreds._system import event_loop


def ended() -> None:
    """Hear of the end of a task, and do nothing."""


UVLOOP = pytest.mark.parametrize("use_uvloop", [False, pytest.param(True, marks=pytest.mark.skipif(
    sys.platform == "win32", reason="there is no uvloop for Windows"))])  # fmt: skip


class OddError(BaseException):
    """What is no ``Exception``."""


@pytest.mark.parametrize("leave", [SystemExit(3), KeyboardInterrupt(), ValueError("no"), OddError()], ids=repr)
@pytest.mark.parametrize("how", ["returned", "raised", "in a group"])
def test_trio_run_survives_whatever_leaves_a_task(
    leave: BaseException, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """On trio, whose system tasks must not raise, what leaves a body is logged by its class and goes nowhere."""

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
def test_asyncio_run_ends_with_a_wish_to_exit(use_uvloop: bool) -> None:
    """On asyncio a returned exit ends the run, as it does out of any task."""

    async def body() -> BaseException | None:
        return SystemExit(3)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # it reports the exit once more
        event_loop.spawn_system_task(body, ended, "a task", copy_context())
        await anyio.sleep(1)

    with pytest.raises(SystemExit):
        anyio.run(main, backend_options={"use_uvloop": use_uvloop})


@UVLOOP
def test_end_is_told_of_a_task_that_was_cancelled_before_its_first_step(use_uvloop: bool) -> None:
    """Asyncio drops such a task without running a line of it; that it is over is told nevertheless."""
    told: list[str] = []

    async def body() -> BaseException | None:
        told.append("begun")
        return None

    async def main() -> None:
        event_loop.spawn_system_task(body, lambda: told.append("ended"), "a task", copy_context())
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        assert task.get_name() == "a task"
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
        await asyncio.sleep(0)

    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
    assert told == ["ended"]


@UVLOOP
def test_loop_that_ends_right_after_the_start(use_uvloop: bool) -> None:
    """A run that ends in the tick in which a task was made ends it too, without a complaint, and tells."""
    told: list[str] = []

    async def body() -> BaseException | None:
        await asyncio.sleep(1)
        return None

    async def main() -> None:
        event_loop.spawn_system_task(body, lambda: told.append("ended"), "a task", copy_context())

    before = set(event_loop._tasks)
    anyio.run(main, backend_options={"use_uvloop": use_uvloop})
    assert told == ["ended"]
    assert event_loop._tasks == before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_task_runs_in_the_given_context(backend: str) -> None:
    """A task sees the context that it was given and changes nobody's."""
    who = ContextVar("who", default="nobody")
    seen: list[str] = []

    async def body() -> BaseException | None:
        seen.append(who.get())
        who.set("the task")
        return None

    async def main() -> None:
        who.set("the caller")
        context = copy_context()
        who.set("somebody else")
        event_loop.spawn_system_task(body, ended, "a task", context)
        await anyio.sleep(0.001)
        assert who.get() == "somebody else"

    anyio.run(main, backend=backend)
    assert seen == ["the caller"]


def test_half_imported_trio_is_no_trio(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread imports trio there is a module without parts, and asyncio's runs are known as ever."""

    async def main() -> bool:
        monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
        return event_loop.current_loop() is asyncio.get_running_loop()

    assert asyncio.run(main())


def test_run_is_one_object_within_a_run_and_another_in_the_next() -> None:
    """A run is told apart from the one before; and asyncio's are known to be over."""

    async def main() -> object:
        assert event_loop.current_loop() is event_loop.current_loop()
        assert not event_loop.is_loop_closed(event_loop.current_loop())
        return event_loop.current_loop()

    for backend in ("asyncio", "trio"):
        first, second = anyio.run(main, backend=backend), anyio.run(main, backend=backend)
        assert first is not second
        assert event_loop.is_loop_closed(first) == (backend == "asyncio")
