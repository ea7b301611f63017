"""Goals that are met, or not, when many callers ask at once: what the comparison has found of ours, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from .concurrent import Played
from .measuring import Row, span

OURS = "anycreds on "
CALLERS = 1_000
AHEAD_P99 = 50e-6  # seconds: nobody notices, and no loop does
CALLS_IN_OUTAGE = 1.0  # a second


def rows(played: Iterable[Played]) -> list[Row]:
    """Return a row for each goal, as far as it was played."""
    return [
        row
        for one in played
        if one.callers == CALLERS and one.peer.startswith(OURS) and one.reason is None
        for row in _rows(one, one.peer.removeprefix(OURS))
    ]


def _rows(one: Played, loop: str) -> Iterator[Row]:
    if one.scenario in ("cold", "expiry"):
        yield _exact(one, loop, "calls", one.calls, 1)
    elif one.scenario == "ahead" and one.p99 is not None:
        yield _most(one, loop, "p99 of waits", one.p99, AHEAD_P99)
    elif one.scenario == "outage":
        yield _exact(one, loop, "asks not served", one.asks - one.endings.get("served", 0), 0)
        rate = one.calls / (one.seconds or 1.0)
        yield _most(one, loop, "calls a second", rate, CALLS_IN_OUTAGE, unit="calls")
    elif one.scenario == "deadlines":
        yield _exact(one, loop, "callers never served", one.callers - one.served, 0)


def _exact(one: Played, loop: str, what: str, value: int, goal: int) -> Row:
    figure = span([value])
    return Row(_what(one, what), loop, "calls", figure, None, "", "exact", figure, goal)


def _most(one: Played, loop: str, what: str, value: float, goal: float, *, unit: Literal["s", "calls"] = "s") -> Row:
    figure = span([value])
    return Row(_what(one, what), loop, unit, figure, None, "", "value", figure, goal)


def _what(one: Played, what: str) -> str:
    return f"{one.scenario}, {one.callers:,} callers: {what}"
