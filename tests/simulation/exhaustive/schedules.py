"""Searches and repeats the schedules of a world on an event loop."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import anycreds

from . import on_asyncio, on_trio
from .on_several import SeveralLoops
from .play import MakeProvider, Play
from .search import Chooser, Repetition, Search
from .worlds import WORLDS, WORLDS_OF_SEVERAL, World


class Loop(Protocol):
    """Runs worlds."""

    def now(self) -> float:
        """Return the time of the event loop, also outside its tasks."""

    def run(self, play: Play, /) -> None:
        """Run a world."""


LOOPS: dict[str, Loop] = {"asyncio": on_asyncio, "trio": on_trio}
SEVERAL: dict[str, Loop] = {
    "asyncio+asyncio": SeveralLoops("asyncio", "asyncio"),
    "trio+trio": SeveralLoops("trio", "trio"),
    "asyncio+trio": SeveralLoops("asyncio", "trio"),
}


class ScheduleError(AssertionError):
    """A schedule that breaks an invariant.

    Attributes:
        token: Repeats it.
        problems: What it breaks.
    """

    def __init__(self, token: str, play: Play) -> None:
        self.token = token
        self.problems = play.history.problems
        events = "\n  ".join(play.history.events)
        command = f"pytest tests/simulation/exhaustive --replay {token}"
        super().__init__(f"{self.problems[0]}\n  {events}\nto repeat this schedule: {command}")


def play(loop: str, world: World, chooser: Chooser, make_provider: MakeProvider = anycreds.cached) -> Play:
    """Run a world once."""
    on_loop = LOOPS.get(loop) or SEVERAL[loop]
    played = Play(world, chooser, on_loop.now, make_provider)
    on_loop.run(played)
    if chooser.diverged:
        played.history.problem_of_run("the run depends on something besides its decisions, or the token on other code")
    return played


def explore(loop: str, world: World, bound: int, make_provider: MakeProvider = anycreds.cached) -> int:
    """Run every schedule of a world with at most ``bound`` deviations. Return their number.

    Raises:
        ScheduleError: One of them breaks an invariant. It is one of those with the fewest deviations.

    """
    search = Search(bound)
    with no_overhead():
        for _ in search:
            played = play(loop, world, search, make_provider)
            if played.history.problems:
                for fewer in range(bound):
                    explore(loop, world, fewer, make_provider)
                raise ScheduleError(f"{loop}:{world.name}:{search.token}", played)
    return search.runs


def repeat(token: str, make_provider: MakeProvider = anycreds.cached) -> Play:
    """Run the schedule of a token."""
    loop, name, answers = token.split(":")
    world = {**WORLDS, **WORLDS_OF_SEVERAL}[name]
    return play(loop, world, Repetition(answers), make_provider)


@contextmanager
def no_overhead() -> Iterator[None]:
    """Write no log records, as pytest would keep millions of them, and let the garbage collector skip what exists."""
    before = logging.root.manager.disable
    logging.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        logging.disable(before)
