"""Goals for figures of anycreds that were measured beside those of other libraries, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from .concurrent import ScenarioResult
from .measurement import Row, Span, span
from .peer_figures import PeerFigure

OURS, BY_HAND = "anycreds on ", "by hand on "
CALLERS = 1_000
ADVISORY_P99 = 20e-6  # seconds: too short to delay a caller or block the event loop noticeably
REQUESTS_IN_OUTAGE = 1.0  # per second
# By source: seconds of a fresh process beyond a bare interpreter. On asyncio, since `import trio` takes most of this.
FRESH = {"container": 0.110, "imds": 0.110}
COLD_TO_BY_HAND = {"container": 1.9, "imds": 2.2, "role": 4.7}  # by source: ratio to the same exchanges by hand
COLD = {"file 1": 0.30e-3}  # by source: seconds


def rows(results: Iterable[ScenarioResult], compared: Iterable[PeerFigure]) -> list[Row]:
    """Return a row for each goal whose scenario or source was measured."""
    found = {(one.benchmark, one.what, one.peer): one.figure for one in compared if one.figure is not None}
    return [
        *(
            row
            for one in results
            if one.callers == CALLERS and one.peer.startswith(OURS) and one.reason is None
            for row in _of_scenario(one, one.peer.removeprefix(OURS))
        ),
        *(row for loop in ("asyncio", "trio") for row in _of_sources(found, loop)),
    ]


def _of_sources(found: Mapping[tuple[str, str, str], Span], loop: str) -> Iterator[Row]:
    for source, goal in FRESH.items():
        if figure := found.get(("fresh", source, OURS + loop)):
            what = f"fresh process, {source}: beyond a bare interpreter"
            yield Row(what, loop, "s", figure, None, "", "value", figure, goal if loop == "asyncio" else None)
    for source, goal in COLD_TO_BY_HAND.items():
        mine, least = found.get(("cold", source, OURS + loop)), found.get(("cold", source, BY_HAND + loop))
        if mine and least:
            judged = span([mine.median / least.median])
            baseline_is = "the same exchanges by hand over one bare socket"
            notes = (f"ratio of the minima: {mine.least / least.least:.2f} ×",)
            yield Row(f"cold call, {source}", loop, "s", mine, least, baseline_is, "ratio", judged, goal, notes)
    for source, goal in COLD.items():
        if figure := found.get(("cold", source, OURS + loop)):
            yield Row(f"cold call, {source}", loop, "s", figure, None, "", "value", figure, goal)


def _of_scenario(one: ScenarioResult, loop: str) -> Iterator[Row]:
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
