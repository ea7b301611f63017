"""What the cache promises in each scenario, and whether the measurements agree. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .callers import count_cancelled
from .scenarios import LATENCY, Run, Scenario

TITLES = {"cold": "cold start", "fresh": "fresh", "advisory": "advisory window", "expired": "expired"}
_REQUESTS = {"cold": 3, "fresh": 0, "advisory": 2, "expired": 2}  # the IMDS token is cached after the cold start
_WAITING = ("cold", "expired")  # callers wait for new credentials; in the other scenarios they get the cached ones


class Result(NamedTuple):
    """The figures of one scenario. As an expectation, the times (in seconds) are upper limits; None is no limit."""

    returned: int
    cancelled: int
    upstream_calls: int
    http_requests: int
    median_wait: float | None
    longest_wait: float | None
    slowest_cancellation: float | None


def expected_result(name: str, callers: int) -> Result:
    """Return what the cache promises for a scenario with so many callers."""
    cancelled = count_cancelled(callers) if name == "cold" else 0
    # A cancelled caller ends after milliseconds, on a busy machine within 0.1 s; the others wait for 0.375 s more. The
    # square is for 10,000 callers and more: asyncio searches all waiters for the cancelled one.
    slowest = 0.1 * (1 + (callers / 10_000) ** 2) if cancelled else None
    longest = None if name in _WAITING else LATENCY  # a caller that returns before a response can arrive has not waited
    requests = _REQUESTS[name]
    return Result(callers - cancelled, cancelled, int(requests > 0), requests, None, longest, slowest)


def measured_result(scenario: Scenario) -> Result:
    """Return the figures of a scenario."""
    callers = scenario.callers
    waits = sorted(c.ended_at - c.called_at for c in callers if c.outcome == "returned" and c.ended_at)
    ends = [c.ended_at - c.cancelled_at for c in callers if c.cancelled_at and c.ended_at]
    cancelled = sum(caller.outcome == "cancelled" for caller in callers)
    upstream_calls = sum(route == "role" for route, _ in scenario.requests)
    median, longest = (waits[len(waits) // 2], waits[-1]) if waits else (None, None)
    counts = (len(waits), cancelled, upstream_calls, len(scenario.requests))
    return Result(*counts, median, longest, max(ends, default=None))


def broken_promises(run: Run) -> list[str]:
    """Return every broken promise of a run, as sentences that name backend and scenario."""
    broken = [f"{run.backend}, {TITLES[one.name]}: {text}" for one in run.scenarios for text in check_scenario(one)]
    if missing := [*TITLES.values()][len(run.scenarios) :]:
        broken.append(f"{run.backend}: not run, because no credentials were received: {', '.join(missing)}")
    return broken


def check_scenario(scenario: Scenario) -> Iterator[str]:
    """Yield every broken promise of a scenario."""
    measured, expected = measured_result(scenario), expected_result(scenario.name, len(scenario.callers))
    for name in ("returned", "cancelled", "upstream_calls", "http_requests"):
        if (count := getattr(measured, name)) != getattr(expected, name):
            yield f"{name.replace('_', ' ')}: {count}; expected {getattr(expected, name)}"
    for name in ("longest_wait", "slowest_cancellation"):
        seconds, limit = getattr(measured, name), getattr(expected, name)
        if seconds is not None and limit is not None and seconds > limit:
            yield f"{name.replace('_', ' ')}: {seconds:.3f} s; expected at most {limit:.3f} s"
    if error := next((caller.error for caller in scenario.callers if caller.error), None):
        yield f"a caller failed: {error}"
    keys = {caller.access_key_id for caller in scenario.callers if caller.outcome == "returned"}
    if keys and keys != {scenario.key_after if scenario.name in _WAITING else scenario.key_before}:
        yield f"not all callers got the {'new' if scenario.name in _WAITING else 'cached'} credentials"
    if expected.upstream_calls and scenario.key_after == scenario.key_before:
        yield "no new credentials were received"
