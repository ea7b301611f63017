"""Concurrent callers of one source, in each scenario, with each peer.

All peers of a group (a scenario and a number of callers) are started and cache their first credentials. Then they run
one at a time, so that other load of the machine affects all of them equally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from time import sleep
from typing import Any, NamedTuple

from .peer_process import Worker, WorkerError
from .peers import AdvisoryWindow, Peer
from .scenarios import Scenario
from .upstream import Upstream
from .workers.jobs import Job

PLOT_STEPS = 100  # number of quantiles stored for the plots
SETTLE = 0.2  # seconds in which background requests still arrive
AFTER_EXPIRATION = 0.1  # seconds from the expiration to the start of the callers


class ScenarioResult(NamedTuple):
    """The result of one scenario with one peer and one number of callers. Times are seconds, memory is bytes."""

    scenario: str
    callers: int
    peer: str
    reason: str | None = None
    """Why there are no figures."""
    requests: int = 0
    """Number of upstream requests."""
    outcomes: Mapping[str, int] = {}
    """Number of calls by outcome: ``served`` and others."""
    served: int = 0
    """Callers whose last call returned valid credentials."""
    p50: float | None = None
    """Percentiles and maximum of the waits of all served calls."""
    p99: float | None = None
    longest: float | None = None
    seconds: float | None = None
    """Until the end of the last call."""
    memory: float | None = None
    """Per caller, while all of them waited."""
    waits: Sequence[float] = ()
    """Quantiles of the waits of served calls, in ascending order."""

    @property
    def calls(self) -> int:
        """Number of calls."""
        return sum(self.outcomes.values())


def run(
    peers: Sequence[Peer],
    upstream: Upstream,
    scenarios: Sequence[Scenario],
    time_limit: float,
    progress: Callable[[str], None],
) -> Iterator[ScenarioResult]:
    """Run scenarios, each with all its numbers of callers. ``progress`` is called with the next step."""
    peers = [peer for peer in peers if "concurrent" in peer.benchmarks]
    for scenario in scenarios:
        for callers in scenario.callers:
            progress(f"{scenario.name}, {callers:,} callers")
            yield from _run_all(scenario, callers, peers, upstream, time_limit)


def _run_all(
    scenario: Scenario, callers: int, peers: Sequence[Peer], upstream: Upstream, time_limit: float
) -> Iterator[ScenarioResult]:
    able = []
    for peer in peers:
        if (reason := peer.missing or peer.cannot.get(scenario.name)) is not None:
            if not peer.is_baseline:  # baselines do not support every scenario
                yield ScenarioResult(scenario.name, callers, peer.name, reason)
        else:
            able.append((peer, _job(scenario, callers, peer)._replace(time_limit=time_limit)))
    if scenario.lifetime == "advisory":  # the window is short, so each peer is prepared separately
        for one in able:
            yield from _run_group(scenario, [one], upstream)
    else:
        yield from _run_group(scenario, able, upstream)


def _run_group(scenario: Scenario, peers: Sequence[tuple[Peer, Job]], upstream: Upstream) -> Iterator[ScenarioResult]:
    """Prepare all peers at once; then run them one at a time."""
    with ExitStack() as stack:
        upstream.configure({"latency": 0.0, "lifetime": 6 * 3600.0, "mode": "new"})
        workers = []
        for peer, job in peers:
            if job.lifetime is not None:
                upstream.configure({"latency": 0.0, "lifetime": job.lifetime, "mode": "new"})
            workers.append((peer, job, stack.enter_context(Worker(peer, job, upstream.environ))))
        for _, job, worker in workers:
            worker.wait_until_ready(job.after)
        for peer, job, worker in workers:
            upstream.configure(scenario.settings())
            try:
                result = worker.start(job.time_limit)
            except WorkerError as error:
                yield ScenarioResult(scenario.name, job.callers, peer.name, str(error))
            else:
                if not any(outcome == "waiting" for *_, outcome in result["calls"]):
                    sleep(SETTLE)
                yield _read(scenario, job, peer, result, upstream.requests())
            worker.end()


def _job(scenario: Scenario, callers: int, peer: Peer) -> Job:
    lifetime, after = scenario.lifetime, 0.0
    if lifetime == "advisory":
        lifetime, after = peer.advisory_window or AdvisoryWindow(0.0, 0.0)
    elif lifetime is not None and scenario.after_expiration:
        after = lifetime + AFTER_EXPIRATION
    return Job(
        kind="concurrent",
        callers=callers,
        is_warm=scenario.is_warm,
        lifetime=lifetime,
        after=after,
        calls=scenario.calls_per_caller(callers),
        pause=scenario.pause,
        deadline=scenario.deadline,
        cancel_first=scenario.cancel_first,
    )


def _read(scenario: Scenario, job: Job, peer: Peer, result: Mapping[str, Any], requests: int) -> ScenarioResult:
    calls: list[tuple[int, float, float, str]] = [(int(call[0]), *call[1:]) for call in result["calls"]]
    last = {caller: outcome for caller, _, _, outcome in calls}
    # A caller that calls again after a timeout has waited since its first call.
    waits = sorted(
        began + wait if job.deadline is not None else wait for _, began, wait, outcome in calls if outcome == "served"
    )
    return ScenarioResult(
        scenario=scenario.name,
        callers=job.callers,
        peer=peer.name,
        requests=requests,
        outcomes=dict(Counter(outcome for *_, outcome in calls)),
        served=sum(outcome == "served" for outcome in last.values()),
        p50=_percentile(waits, 0.50),
        p99=_percentile(waits, 0.99),
        longest=waits[-1] if waits else None,
        seconds=result["seconds"],
        memory=result["memory"] / job.callers,
        waits=[waits[round(step * (len(waits) - 1) / PLOT_STEPS)] for step in range(PLOT_STEPS + 1)] if waits else [],
    )


def _percentile(waits: Sequence[float], fraction: float) -> float | None:
    """Return the wait that this fraction of the calls does not exceed."""
    return waits[min(len(waits) - 1, int(len(waits) * fraction))] if waits else None
