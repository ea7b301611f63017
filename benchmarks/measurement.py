"""Measuring: a figure and its baseline are measured alternately in one run, and their medians are compared.

Other load of the machine then affects both equally, so a ratio is more reliable than either figure.
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
PROGRAM_TIMEOUT = 60.0  # seconds; a program takes two at most, so this means that it hangs

# Variables of the caller's environment that would change what AWS code calls, or how Python and node run.
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
    """Median and bounds of a figure that was measured several times."""

    median: float
    least: float
    most: float
    rounds: int

    def beyond(self, baseline: float) -> Span:
        """Return the figure without a baseline that is part of it."""
        return Span(self.median - baseline, self.least - baseline, self.most - baseline, self.rounds)


class Row(NamedTuple):
    """One figure, its baseline and its goal. Times are seconds, memory is bytes."""

    what: str
    loop: str
    unit: Literal["s", "bytes", "requests", "modules"]
    ours: Span
    baseline: Span | None
    baseline_is: str
    kind: Literal["ratio", "excess", "value", "exact"]
    """What is compared with the goal: ours / baseline, ours - baseline, or ours (at most, or exactly, the goal)."""
    judged: Span
    goal: float | None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}

    @property
    def met(self) -> bool | None:
        """Whether the goal is met. None if there is no goal."""
        if self.goal is None:
            return None
        if self.kind == "exact":
            return self.judged.least == self.judged.most == self.goal
        return self.judged.median <= self.goal


def span(values: Sequence[float]) -> Span:
    """Return the median and the bounds."""
    return Span(median(values), min(values), max(values), len(values))


def ratio(ours: Sequence[float], baseline: Sequence[float]) -> Span:
    """Return ours / baseline, computed round by round."""
    return span([mine / least for mine, least in zip(ours, baseline, strict=True)])


def excess(ours: Sequence[float], baseline: Sequence[float]) -> Span:
    """Return ours - baseline, computed round by round."""
    return span([mine - least for mine, least in zip(ours, baseline, strict=True)])


async def interleaved(rounds: int, *samples: Callable[[], Awaitable[float]]) -> list[list[float]]:
    """Measure every sample once per round, alternately (A B A B …). Return the figures of each."""
    found: list[list[float]] = [[] for _ in samples]
    for _ in range(rounds):
        for figures, sample in zip(found, samples, strict=True):
            figures.append(await sample())
    return found


def is_installed(loop: str) -> bool:
    """Return whether an event loop is installed."""
    return find_spec(loop) is not None


def run_on(loop: str, main: Callable[[], Awaitable[list[Row]]]) -> list[Row]:
    """Run an async function on an event loop."""
    if loop == "trio":
        return anyio.run(main, backend="trio")
    return anyio.run(main, backend="asyncio", backend_options={"use_uvloop": loop == "uvloop"})


def plain_environ(**more: str) -> dict[str, str]:
    """Return this process's environment without variables that would change a figure, and with ``more``."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _PROXIES
    }
    nowhere = str(ROOT / "benchmarks" / "there-is-no-such-file")
    return {**inherited, "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere, **more}


class Finished(NamedTuple):
    """The duration of a fresh process, and the words that it printed."""

    seconds: float
    words: list[str]


def fresh_process(program: str, *arguments: str, **environ: str) -> Finished:
    """Run one of the programs in a fresh process."""
    command = [sys.executable, str(PROGRAMS / program), *arguments]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=plain_environ(**environ), stdout=subprocess.PIPE, text=True, check=True, timeout=PROGRAM_TIMEOUT
    )
    return Finished(time.perf_counter() - started, done.stdout.split())


class Fake(NamedTuple):
    """A ``FakeAWS`` in its own process, so that it does not share the interpreter lock with the measured code."""

    metadata_url: str
    container_url: str
    container_token: str
    access_key_id: str
    secret_access_key: str
    process: subprocess.Popen[str]

    def count(self, route: str) -> int:
        """Return the number of requests for one route."""
        return int(self.send_command(f"count {route}"))

    def send_command(self, line: str) -> str:
        """Return the response of ``programs/fake.py`` to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline()


@contextmanager
def fake_aws() -> Iterator[Fake]:
    """Run a ``FakeAWS`` inside the ``with`` block."""
    with serving("fake.py") as (process, words):
        metadata_url, container_url, container_token, *keys = words
        yield Fake(metadata_url, container_url, container_token, keys[0], keys[1], process)


@contextmanager
def serving(program: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run one of the programs inside the ``with`` block. Yield the process and the words of its first line."""
    command = [sys.executable, str(PROGRAMS / program)]
    with subprocess.Popen(
        command, env=plain_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()
        finally:
            process.kill()
