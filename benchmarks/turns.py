"""A peer that takes turns with others: how its process is kept, warmed up, and given as much to do as fits in a turn.

What a process does first is not counted, with everybody alike: it pays for imports. A turn is of so many asks as fit in
a time that is the same for all, so that slow peers do not make the benchmark long. A process that does one job only is
started anew for each turn, and warmed up in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .compared import Figures
from .peers import Peer
from .processes import Worker, WorkerError
from .workers.jobs import Job

LONGEST = 30.0  # seconds for one turn; no peer takes more than two, unless it hangs
ENOUGH = 2.0  # seconds, after which a peer is not asked any more: 10,000 profiles take some of them one each time


class Turns:
    """One peer, and what became of its turns."""

    def __init__(self, peer: Peer, environ: Mapping[str, str], job: Job, reason: str | None, seconds: float) -> None:
        self.peer = peer
        self.figures = Figures(reason)
        self._environ = environ
        self._job = job
        self._seconds = seconds
        self._asks = 1  # until it is known how long one takes
        self._took = 0.0
        self._worker = None if reason else Worker(peer, None, environ)
        self._is_warm = False

    def warm_up(self) -> None:
        """Let the process do everything for the first time."""
        if self._worker is not None:
            self._is_warm = bool(self._told(self._worker, 1))
            if not self._is_warm:
                self.end()

    def play(self) -> int:
        """Take one turn. Return how often that asked; 0: it has had enough, or has failed."""
        if self._worker is None or self._took > ENOUGH:
            return 0
        asks, first = self._asks, 0
        samples = self._told(self._worker, asks)
        if not samples and self._is_warm and self._worker.has_ended:
            self.end()
            self.figures.reason, self._is_warm = None, False
            asks, first = asks + 1, 1
            self._worker = Worker(self.peer, None, self._environ)
            samples = self._told(self._worker, asks)
        if samples:
            self._note(samples[first:])
        else:
            self.end()
        return asks

    def _note(self, samples: Sequence[float]) -> None:
        self._is_warm = True
        self.figures.add(samples)
        each = [sample * self._job.callers for sample in samples]
        self._took += sum(each)
        self._asks = max(1, min(self._job.asks, round(self._seconds / min(each))))

    def end(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def fail(self, reason: str) -> None:
        """Say why there are no figures."""
        self.figures.reason = reason
        self.end()

    def _told(self, worker: Worker, asks: int) -> Sequence[float]:
        """Let the process ask, and return how long each took; nothing: it failed, and the reason is noted."""
        worker.give(self._job._replace(asks=asks))
        try:
            samples: Sequence[float] = worker.result(LONGEST)["samples"]
        except WorkerError as error:
            self.figures.reason = str(error)
            return []
        return samples
