"""The results of the demo: a table of at most 80 columns, and a JSON document with the timeline of every caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .checks import TITLES, broken_promises, expected_result, measured_result
from .scenarios import LATENCY, Run, Scenario

HEADING = "\n{:<17} callers returned cancelled upstream calls median ms longest ms"


def row(scenario: Scenario) -> str:
    """Return the row of one scenario."""
    result = measured_result(scenario)
    counts = f"{len(scenario.callers):>8,}{result.returned:>9,}{result.cancelled:>10,}{result.upstream_calls:>15,}"
    times = f"{(result.median_wait or 0) * 1000:>10.3f}{(result.longest_wait or 0) * 1000:>11.3f}"
    return f"  {TITLES[scenario.name]:<15}{counts}{times}"


def document(runs: Sequence[Run], callers: int) -> dict[str, Any]:
    """Return the JSON document. Times are in seconds; those of a backend begin with its first call."""
    ok = not any(map(broken_promises, runs))
    return {"callers": callers, "latency": LATENCY, "ok": ok, "backends": [_backend(run) for run in runs]}


def _backend(run: Run) -> dict[str, Any]:
    start = run.scenarios[0].callers[0].called_at

    def since(moment: float | None) -> float | None:
        return None if moment is None else round(moment - start, 6)

    scenarios = [
        {
            "scenario": one.name,
            "measured": measured_result(one)._asdict(),
            "expected": expected_result(one.name, len(one.callers))._asdict(),
            "requests": [{"route": route, "at": since(at)} for route, at in one.requests],
            # One array for each column, in the order of the calls.
            "called_at": [since(caller.called_at) for caller in one.callers],
            "ended_at": [since(caller.ended_at) for caller in one.callers],
            "outcome": [caller.outcome for caller in one.callers],
        }
        for one in run.scenarios
    ]
    validity = [{"received_at": since(begin), "expires_at": since(end)} for _, begin, end in run.received]
    return {"backend": run.backend, "problems": broken_promises(run), "scenarios": scenarios, "credentials": validity}
