"""Concurrent refresh: many callers ask one source at once, in each scenario, of each peer.

All peers of a group (a scenario, a number of callers) are started and get what they have before, and then each in turn
has the upstream and the machine for itself, so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from time import sleep
from typing import Any, NamedTuple

from .peers import Ahead, Peer
from .processes import Worker, WorkerError
from .scenarios import Scenario
from .upstream import Upstream
from .workers.jobs import Job

STEPS = 100  # of the waits that are kept, for the plots
SETTLE = 0.2  # seconds, in which calls that nobody waits for still come
AFTER_END = 0.1  # seconds that a set must have ended before the callers begin


class Played(NamedTuple):
    """What became of so many callers in one scenario with one peer. Times are seconds, memory is bytes."""

    scenario: str
    callers: int
    peer: str
    reason: str | None = None
    """Why there are no figures."""
    calls: int = 0
    """What came to the upstream."""
    endings: Mapping[str, int] = {}
    """How many asks ended in which way, ``served`` and others."""
    served: int = 0
    """Callers that got a set, the last time they asked."""
    p50: float | None = None
    """Of the waits of all asks that were served."""
    p99: float | None = None
    longest: float | None = None
    seconds: float | None = None
    """Until the last ask had ended."""
    memory: float | None = None
    """Of each caller, when all of them waited."""
    waits: Sequence[float] = ()
    """Of those who were served, from the shortest to the longest, a hundred steps between them at most."""

    @property
    def asks(self) -> int:
        """How many asks there were."""
        return sum(self.endings.values())


def play(
    peers: Sequence[Peer], upstream: Upstream, scenarios: Sequence[Scenario], cap: float, say: Callable[[str], None]
) -> Iterator[Played]:
    """Play scenarios, each with all its numbers of callers. ``say`` is told what comes next."""
    peers = [peer for peer in peers if "concurrent" in peer.plays]
    for scenario in scenarios:
        for callers in scenario.callers:
            say(f"{scenario.name}, {callers:,} callers")
            yield from _play_all(scenario, callers, peers, upstream, cap)


def _play_all(
    scenario: Scenario, callers: int, peers: Sequence[Peer], upstream: Upstream, cap: float
) -> Iterator[Played]:
    able = []
    for peer in peers:
        if (reason := peer.missing or peer.cannot.get(scenario.name)) is not None:
            if not peer.is_floor:  # which need not do everything
                yield Played(scenario.name, callers, peer.name, reason)
        else:
            able.append((peer, _job(scenario, callers, peer)._replace(cap=cap)))
    if scenario.life == "ahead":  # that window is short: each is prepared when it is its turn
        for one in able:
            yield from _play_together(scenario, [one], upstream)
    else:
        yield from _play_together(scenario, able, upstream)


def _play_together(scenario: Scenario, peers: Sequence[tuple[Peer, Job]], upstream: Upstream) -> Iterator[Played]:
    """Let all get what they have before, at once; then each has the upstream for itself."""
    with ExitStack() as stack:
        upstream.answers({"latency": 0.0, "lifetime": 6 * 3600.0, "gives": "new"})
        workers = []
        for peer, job in peers:
            if job.life is not None:
                upstream.answers({"latency": 0.0, "lifetime": job.life, "gives": "new"})
            workers.append((peer, job, stack.enter_context(Worker(peer, job, upstream.environ))))
        for _, job, worker in workers:
            worker.wait_until_ready(job.after)
        for peer, job, worker in workers:
            upstream.answers(scenario.settings())
            try:
                told = worker.go(job.cap)
            except WorkerError as error:
                yield Played(scenario.name, job.callers, peer.name, str(error))
            else:
                if not any(ending == "waits" for *_, ending in told["asks"]):
                    sleep(SETTLE)
                yield _read(scenario, job, peer, told, upstream.calls())
            worker.end()


def _job(scenario: Scenario, callers: int, peer: Peer) -> Job:
    life, after = scenario.life, 0.0
    if life == "ahead":
        life, after = peer.ahead or Ahead(0.0, 0.0)
    elif life is not None and scenario.until_end:
        after = life + AFTER_END
    return Job(
        kind="concurrent",
        callers=callers,
        is_warm=scenario.is_warm,
        life=life,
        after=after,
        asks=scenario.asks_of(callers),
        every=scenario.every,
        deadline=scenario.deadline,
        cancel_first=scenario.cancel_first,
    )


def _read(scenario: Scenario, job: Job, peer: Peer, told: Mapping[str, Any], calls: int) -> Played:
    asks: list[tuple[int, float, float, str]] = [(int(ask[0]), *ask[1:]) for ask in told["asks"]]
    last = {caller: ending for caller, _, _, ending in asks}
    # Who gives up and asks again has waited since it first asked.
    waits = sorted(
        began + wait if job.deadline is not None else wait for _, began, wait, ending in asks if ending == "served"
    )
    return Played(
        scenario=scenario.name,
        callers=job.callers,
        peer=peer.name,
        calls=calls,
        endings=dict(Counter(ending for *_, ending in asks)),
        served=sum(ending == "served" for ending in last.values()),
        p50=_at(waits, 0.50),
        p99=_at(waits, 0.99),
        longest=waits[-1] if waits else None,
        seconds=told["seconds"],
        memory=told["memory"] / job.callers,
        waits=[waits[round(step * (len(waits) - 1) / STEPS)] for step in range(STEPS + 1)] if waits else [],
    )


def _at(waits: Sequence[float], part: float) -> float | None:
    """Return the wait that so great a part of them does not exceed."""
    return waits[min(len(waits) - 1, int(len(waits) * part))] if waits else None
