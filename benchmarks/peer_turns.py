"""Runs a peer's process in turns with others, and adjusts the number of calls per turn.

The first call of a process is not counted for any peer, since it includes imports. A turn has as many calls as fit in a
fixed time, so that slow peers do not make the benchmark long. A process that does one job only is restarted and warmed
up for each turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .peer_figures import PeerSamples
from .peer_process import Worker, WorkerError
from .peers import Peer
from .workers.jobs import Job

TURN_TIMEOUT = 30.0  # seconds for one turn; no peer takes more than two, unless it hangs
MAX_PEER_SECONDS = 2.0  # then a peer gets no more turns: with 10,000 profiles one call takes some of them a second


class PeerTurns:
    """One peer and the results of its turns."""

    def __init__(self, peer: Peer, environ: Mapping[str, str], job: Job, reason: str | None, seconds: float) -> None:
        self.peer = peer
        self.figures = PeerSamples(reason)
        self._environ = environ
        self._job = job
        self._seconds = seconds
        self._calls = 1  # until the duration of one call is known
        self._took = 0.0
        self._worker = None if reason else Worker(peer, None, environ)
        self._is_warm = False

    def warm_up(self) -> None:
        """Make the first call of the process."""
        if self._worker is not None:
            self._is_warm = bool(self._sample(self._worker, 1))
            if not self._is_warm:
                self.end()

    def run(self) -> int:
        """Run one turn. Return its number of calls, or 0 if the peer has failed or used up its time."""
        if self._worker is None or self._took > MAX_PEER_SECONDS:
            return 0
        calls, first = self._calls, 0
        samples = self._sample(self._worker, calls)
        if not samples and self._is_warm and self._worker.has_exited:
            self.end()
            self.figures.reason, self._is_warm = None, False
            calls, first = calls + 1, 1
            self._worker = Worker(self.peer, None, self._environ)
            samples = self._sample(self._worker, calls)
        if samples:
            self._note(samples[first:])
        else:
            self.end()
        return calls

    def _note(self, samples: Sequence[float]) -> None:
        self._is_warm = True
        self.figures.add(samples)
        each = [sample * self._job.callers for sample in samples]
        self._took += sum(each)
        self._calls = max(1, min(self._job.calls, round(self._seconds / min(each))))

    def end(self) -> None:
        """Kill the process."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def fail(self, reason: str) -> None:
        """Record why there are no figures, and kill the process."""
        self.figures.reason = reason
        self.end()

    def _sample(self, worker: Worker, calls: int) -> Sequence[float]:
        """Return the duration of each call. If the process fails, record the reason and return nothing."""
        worker.send_job(self._job._replace(calls=calls))
        try:
            samples: Sequence[float] = worker.result(TURN_TIMEOUT)["samples"]
        except WorkerError as error:
            self.figures.reason = str(error)
            return []
        return samples
