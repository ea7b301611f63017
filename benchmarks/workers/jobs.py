"""The protocol of a peer's process: its jobs and their results."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal, NamedTuple, TypeAlias

TIME_LIMIT = 2.0  # seconds; then the results are reported as they are
EXIT_DELAY = 0.5  # seconds from the results to the exit, so that requests in progress still reach the upstream

Outcome: TypeAlias = str
"""The outcome of one call: ``served``; ``stale`` (expired credentials); ``timed out``; ``cancelled``; ``waiting`` at
the time limit; or the name of an error."""


class Job(NamedTuple):
    """One job. Times are seconds."""

    kind: Literal["concurrent", "resolve", "hit"]
    """Concurrent callers; several cold calls, each with a new source; or several cache hits."""
    callers: int = 1
    is_warm: bool = False
    """Whether another source is called first in the same process."""
    lifetime: float | None = None
    """Lifetime of credentials that are cached before the callers start. None if nothing is cached."""
    after: float = 0.0
    """Delay of the callers after those credentials arrived."""
    calls: int = 1
    pause: float = 0.0
    deadline: float | None = None
    cancel_first: float | None = None
    time_limit: float = TIME_LIMIT

    def line(self) -> str:
        """Return the line for the worker's standard input."""
        return json.dumps(self._asdict())


def jobs() -> Iterator[Job]:
    """Yield the job of each line of the standard input."""
    while line := sys.stdin.readline():
        yield Job(**json.loads(line))


def wait_for_go() -> None:
    """Print that the process is ready, and block until the start signal."""
    print('"ready"', flush=True)
    sys.stdin.readline()


class CallLog:
    """Records every call of every caller."""

    def __init__(self, job: Job, first_key: str | None, first_came: float) -> None:
        self._job = job
        self._first_key = first_key
        self._first_came = first_came
        self._found: list[tuple[int, float, float, Outcome]] = []
        self._open: dict[int, float] = {}
        self._memory = resident()
        self.began = perf_counter()

    def begin(self, caller: int) -> None:
        """Record the start of a call."""
        self._open[caller] = perf_counter()

    def got(self, caller: int, key: str) -> None:
        """Record a call that returned credentials."""
        is_old = self._job.lifetime is not None and key == self._first_key
        is_expired = is_old and perf_counter() - self._first_came > (self._job.lifetime or 0.0)
        self.end(caller, "stale" if is_expired else "served")

    def cancelled(self, caller: int) -> None:
        """Record a cancelled call: by the scenario, or at the time limit."""
        self.end(caller, "waiting" if perf_counter() - self.began >= self._job.time_limit else "cancelled")

    def end(self, caller: int, outcome: Outcome) -> None:
        """Record the outcome of a call."""
        self._found.append((caller, self._open.pop(caller), perf_counter(), outcome))

    def print_results(self) -> None:
        """Print all calls. Unfinished ones are ``waiting``."""
        now = perf_counter()
        waiting = [(caller, started, now, "waiting") for caller, started in list(self._open.items())]
        result = {
            "calls": [
                (caller, round(started - self.began, 7), round(end - started, 9), outcome)
                for caller, started, end, outcome in (*self._found, *waiting)
            ],
            "seconds": now - self.began,
            "memory": max(0, peak() - self._memory),
        }
        print(json.dumps(result), flush=True)


def print_samples(samples: Sequence[float]) -> None:
    """Print the duration of each call in seconds."""
    print(json.dumps({"samples": samples}), flush=True)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak()  # not Linux: use the peak so far
    return pages * resource.getpagesize()


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
