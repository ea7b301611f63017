"""Goals for concurrent callers of anycreds, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from .concurrent import ScenarioResult
from .measurement import Row, span

OURS = "anycreds on "
CALLERS = 1_000
ADVISORY_P99 = 50e-6  # seconds: too short to delay a caller or block the event loop noticeably
REQUESTS_IN_OUTAGE = 1.0  # per second


def rows(results: Iterable[ScenarioResult]) -> list[Row]:
    """Return a row for each goal whose scenario was run."""
    return [
        row
        for one in results
        if one.callers == CALLERS and one.peer.startswith(OURS) and one.reason is None
        for row in _rows(one, one.peer.removeprefix(OURS))
    ]


def _rows(one: ScenarioResult, loop: str) -> Iterator[Row]:
    if one.scenario in ("cold", "expired"):
        yield _exact(one, loop, "requests", one.requests, 1)
    elif one.scenario == "advisory" and one.p99 is not None:
        yield _most(one, loop, "p99 of waits", one.p99, ADVISORY_P99)
    elif one.scenario == "outage":
        yield _exact(one, loop, "calls without credentials", one.calls - one.outcomes.get("served", 0), 0)
        rate = one.requests / (one.seconds or 1.0)
        yield _most(one, loop, "requests per second", rate, REQUESTS_IN_OUTAGE, unit="requests")
    elif one.scenario == "deadlines":
        yield _exact(one, loop, "callers without credentials", one.callers - one.served, 0)


def _exact(one: ScenarioResult, loop: str, what: str, value: int, goal: int) -> Row:
    figure = span([value])
    return Row(_what(one, what), loop, "requests", figure, None, "", "exact", figure, goal)


def _most(
    one: ScenarioResult, loop: str, what: str, value: float, goal: float, *, unit: Literal["s", "requests"] = "s"
) -> Row:
    figure = span([value])
    return Row(_what(one, what), loop, unit, figure, None, "", "value", figure, goal)


def _what(one: ScenarioResult, what: str) -> str:
    return f"{one.scenario}, {one.callers:,} callers: {what}"
