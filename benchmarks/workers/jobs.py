"""What a peer's process is told to do, and what it answers."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Literal, NamedTuple, TypeAlias

CAP = 2.0  # seconds; who has not got its callers served by then, is shown as it stands
LINGER = 0.5  # seconds that a process lives on after its answer: what is in the air then still comes to the upstream

Ending: TypeAlias = str
"""How one ask ended: ``served``; ``stale``, with a set that had ended; ``gave up`` at its deadline; ``cancelled``;
``waits`` still when time was up; or the name of an error."""


class Job(NamedTuple):
    """One thing to do. Times are seconds."""

    kind: Literal["concurrent", "resolve", "hit"]
    """Let many callers ask; make the source anew and ask, several times; ask for what is fresh, several times."""
    callers: int = 1
    is_warm: bool = False
    """Another source was asked before, in the same process."""
    life: float | None = None
    """There is a set before, which lives so long."""
    after: float = 0.0
    """The callers begin so long after that."""
    asks: int = 1
    every: float = 0.0
    deadline: float | None = None
    cancel_first: float | None = None
    cap: float = CAP

    def line(self) -> str:
        """Return what stands on the worker's standard input."""
        return json.dumps(self._asdict())


def jobs() -> Iterator[Job]:
    """Give what each line of the standard input says, until it ends."""
    while line := sys.stdin.readline():
        yield Job(**json.loads(line))


def wait_for_go() -> None:
    """Tell that all is ready, and wait for the sign to begin. Nothing else runs meanwhile."""
    print('"ready"', flush=True)
    sys.stdin.readline()


class Asks:
    """What became of every ask of every caller."""

    def __init__(self, job: Job, first_key: str | None, first_came: float) -> None:
        self._job = job
        self._first_key = first_key
        self._first_came = first_came
        self._found: list[tuple[int, float, float, Ending]] = []
        self._open: dict[int, float] = {}
        self._memory = resident()
        self.began = perf_counter()

    def begin(self, caller: int) -> None:
        """Note that a caller begins to ask."""
        self._open[caller] = perf_counter()

    def got(self, caller: int, key: str) -> None:
        """Note that a caller got a set."""
        is_old = self._job.life is not None and key == self._first_key
        has_ended = is_old and perf_counter() - self._first_came > (self._job.life or 0.0)
        self.end(caller, "stale" if has_ended else "served")

    def cancelled(self, caller: int) -> None:
        """Note that a caller was cancelled: by the scenario, or because all took too long."""
        self.end(caller, "waits" if perf_counter() - self.began >= self._job.cap else "cancelled")

    def end(self, caller: int, ending: Ending) -> None:
        """Note how an ask ended."""
        self._found.append((caller, self._open.pop(caller), perf_counter(), ending))

    def tell(self) -> None:
        """Print everything. Asks that are still open wait."""
        now = perf_counter()
        waiting = [(caller, begun, now, "waits") for caller, begun in list(self._open.items())]
        told = {
            "asks": [
                (caller, round(begun - self.began, 7), round(end - begun, 9), ending)
                for caller, begun, end, ending in (*self._found, *waiting)
            ],
            "seconds": now - self.began,
            "memory": max(0, peak() - self._memory),
        }
        print(json.dumps(told), flush=True)


def tell_samples(samples: Sequence[float]) -> None:
    """Print how long each took, in seconds."""
    print(json.dumps({"samples": samples}), flush=True)


def resident() -> int:
    """Return how many bytes of memory this process has now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak()  # not Linux: the most so far
    return pages * resource.getpagesize()


def peak() -> int:
    """Return how many bytes of memory this process has had at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
