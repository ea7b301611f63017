"""How everything here is measured: a figure and its floor take turns in one run, and only their medians are compared.

What the machine does meanwhile hits both alike, so a ratio says more than either figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import anyio

ROOT = Path(__file__).parents[1]
PROGRAMS = Path(__file__).parent / "programs"
LOOPS = ("asyncio", "uvloop", "trio")
LONGEST_PROGRAM = 60.0  # seconds; a program here takes two at most, so one that takes this long hangs

# What the environment of whoever measures would change: whom AWS code asks, and how Python runs.
_FOREIGN = (
    "AWS_",
    "NODE_OPTIONS",
    "NODE_DEBUG",
    "PYTHONDEVMODE",
    "PYTHONASYNCIODEBUG",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONTRACEMALLOC",
    "PYTHONPROFILE",
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Span(NamedTuple):
    """A figure that was taken several times."""

    median: float
    least: float
    most: float
    rounds: int


class Row(NamedTuple):
    """One figure, its floor, and what the goal says of them. Times are seconds, memory is bytes."""

    what: str
    loop: str
    unit: Literal["s", "bytes", "calls", "modules"]
    ours: Span
    floor: Span | None
    floor_is: str
    kind: Literal["ratio", "excess", "value", "exact"]
    """What is judged: ours / floor, ours - floor, or ours alone (at most the goal, or exactly that)."""
    judged: Span
    goal: float | None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met; None: there is none."""
        if self.goal is None:
            return None
        if self.kind == "exact":
            return self.judged.least == self.judged.most == self.goal
        return self.judged.median <= self.goal


def span(values: Sequence[float]) -> Span:
    """Return the median and the bounds."""
    return Span(median(values), min(values), max(values), len(values))


def ratio(ours: Sequence[float], floor: Sequence[float]) -> Span:
    """Return ours / floor, taken round by round."""
    return span([mine / least for mine, least in zip(ours, floor, strict=True)])


def excess(ours: Sequence[float], floor: Sequence[float]) -> Span:
    """Return ours - floor, taken round by round."""
    return span([mine - least for mine, least in zip(ours, floor, strict=True)])


async def interleaved(rounds: int, *samples: Callable[[], Awaitable[float]]) -> list[list[float]]:
    """Take every sample once a round, in turn: A B A B …. Return the figures of each."""
    found: list[list[float]] = [[] for _ in samples]
    for _ in range(rounds):
        for figures, sample in zip(found, samples, strict=True):
            figures.append(await sample())
    return found


def here(loop: str) -> bool:
    """Tell whether this event loop is installed."""
    return find_spec(loop) is not None


def run_on(loop: str, main: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
    """Run an async function on an event loop."""
    if loop == "trio":
        return anyio.run(main, backend="trio")
    return anyio.run(main, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})


def plain_environ(**more: str) -> dict[str, str]:
    """Return this process's environment without what would change a figure, and with ``more``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _PROXIES
    }
    nowhere = str(ROOT / "benchmarks" / "there-is-no-such-file")
    return {**kept, "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, **more}


class Finished(NamedTuple):
    """What a fresh process did: how long it took from start to end, and what it printed."""

    seconds: float
    words: list[str]


def fresh_process(program: str, *arguments: str, **environ: str) -> Finished:
    """Run one of the programs in a process of its own."""
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=plain_environ(**environ), stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST_PROGRAM
    )
    return Finished(time.perf_counter() - started, done.stdout.split())


class Fake(NamedTuple):
    """A ``FakeAWS`` that serves in a process of its own, so that it and what is measured do not share a lock."""

    metadata_url: str
    container_url: str
    container_token: str
    access_key_id: str
    secret_access_key: str
    process: subprocess.Popen[str]

    def count(self, route: str) -> int:
        """Return how many requests have come for one route."""
        return int(self.answer(f"count {route}"))

    def answer(self, line: str) -> str:
        """Return what the program answers to a line; see there."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


@contextmanager
def fake_aws() -> Iterator[Fake]:
    """Serve as long as the ``with`` lasts."""
    with serving("fake.py") as (process, words):
        metadata_url, container_url, container_token, *keys = words
        yield Fake(metadata_url, container_url, container_token, keys[0], keys[1], process)


@contextmanager
def serving(program: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run one of the programs as long as the ``with`` lasts. Give the process, and what its first line says."""
    command = [sys.executable, str(PROGRAMS / program)]
    with subprocess.Popen(
        command, env=plain_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()
        finally:
            process.kill()
