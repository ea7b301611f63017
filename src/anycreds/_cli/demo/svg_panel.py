"""One act as a panel of the picture: who waited from when to when, over what was asked of the service meanwhile.

A row stands for one task, or for a share of them if there are more tasks than rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from . import text as words
from .callers import Call
from .checks import PROMISES, Figures
from .scenarios import Act, Span
from .svg_shapes import CANCELLED, FAINT, INK, SERVED, SOFT, UPSTREAM, WRONG, box, dot, line, numbered, text

WIDTH, HEIGHT = 262.0, 318.0
ROWS = 48  # as many as can be told apart
_TOP, _CROWD, _LANE = 84.0, 168.0, 22.0  # heights of the words, of the tasks, and of the requests below them
_INSIDE = 8.0  # from the edge of the plot to its first instant
_LETTER = 6.4  # the width of a letter of the smallest texts, at most

# From top to bottom.
_COLORS = {"cancelled": CANCELLED, "served": SERVED, "failed": WRONG, "forgotten": WRONG}


class Axis(NamedTuple):
    """The time axis that all panels have in common: how long it is, and where its figures are, in seconds."""

    length: float
    tick: float

    def x(self, seconds: float) -> float:
        """Return how far from the panel's left edge an instant is."""
        return _INSIDE + seconds / self.length * (WIDTH - 2 * _INSIDE)


def axis_for(acts: list[Act]) -> Axis:
    """Return the axis on which all these acts have room."""
    longest = max((_end(act) - act.calls[0].asked for act in acts), default=0.0)
    tick = next((tick for tick in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if longest <= 5 * tick), 10.0)
    return Axis(max(longest * 1.04, 2 * tick), tick)


def _end(act: Act) -> float:
    return max([call.ended for call in act.calls] + [span.ended for span in act.upstream])


def panel(x: float, y: float, act: Act, figures: Figures, axis: Axis) -> Iterator[str]:
    """Draw an act with its upper left corner there."""
    yield from _words(x, y, figures)
    top = y + _TOP
    lane = top + _CROWD + 14
    yield box(x, top, WIDTH, _CROWD + _LANE + 22, "#f8fafc", round_by=6, edge=FAINT)
    bottom = top + _CROWD + _LANE + 22
    unit, factor = ("ms", 1000) if axis.tick < 1 else ("s", 1)
    for number in range(int(axis.length / axis.tick) + 1):
        at = x + axis.x(number * axis.tick)
        yield line(at, top + 4, at, bottom - 3, FAINT)
        is_last = (number + 1) * axis.tick > axis.length
        figure = f"{number * axis.tick * factor:g}{f' {unit}' if is_last else ''}"
        yield text(at, bottom + 15, figure, size=10, fill=SOFT, anchor="middle")
    yield from _crowd(x, top + 8, act, axis)
    yield from _requests(x, lane, act, axis)


def _words(x: float, y: float, figures: Figures) -> Iterator[str]:
    promise, waits = figures.promise, figures.waits
    color = WRONG if figures.problems else INK
    yield from numbered(x + 9, y + 10, PROMISES.index(promise) + 1, color)
    yield text(x + 25, y + 15, promise.title, size=15, bold=True, fill=color)
    requests = f" ({words.counted(figures.http_requests, 'HTTP request')})" if figures.http_requests else ""
    told = "nobody was served"
    if waits is not None:
        shortest, longest, median = words.readable(waits.min), words.readable(waits.max), words.readable(waits.median)
        told = f"waits {shortest} to {longest}, median {median}"
    yield text(x, y + 35, words.who(figures), fill=SOFT)
    yield text(x, y + 53, words.counted(figures.upstream_calls, "upstream call") + requests, fill=SOFT)
    yield text(x, y + 71, told, fill=SOFT)


def _crowd(x: float, y: float, act: Act, axis: Axis) -> Iterator[str]:
    rows = list(_rows(act.calls))
    pitch = (_CROWD - 8) / max(len(rows), 12)  # a few tasks stay close together at the top
    start = act.calls[0].asked
    radius = min(2.6, pitch * 0.55)
    for number, row in enumerate(rows):
        color = _COLORS[row[0].outcome]
        begin = x + axis.x(min(call.asked for call in row) - start)
        end = x + axis.x(max(call.ended for call in row) - start)
        middle = y + (number + 0.5) * pitch
        if end - begin > radius:
            yield line(begin, middle, end, middle, color, width=min(2.2, pitch * 0.6), opacity=0.45)
        yield dot(end, middle, radius, color)


def _rows(calls: list[Call]) -> Iterator[list[Call]]:
    """Share the tasks out among the rows: each kind by itself, in the order of asking."""
    for outcome in _COLORS:
        kind = [call for call in calls if call.outcome == outcome]
        if kind:
            rows = min(len(kind), max(1, round(ROWS * len(kind) / len(calls))))
            bounds = [len(kind) * number // rows for number in range(rows + 1)]
            yield from (kind[begin:end] for begin, end in pairwise(bounds))


def _requests(x: float, y: float, act: Act, axis: Axis) -> Iterator[str]:
    if not act.upstream:
        yield text(x + _INSIDE, y + 15, "nothing is asked upstream", size=11, fill=SOFT)
    start = act.calls[0].asked
    for span in act.upstream[:: 1 + len(act.upstream) // ROWS]:  # if there are so many, that is what is wrong
        yield from _request(x + axis.x(span.began - start), y, x + axis.x(span.ended - start), span)


def _request(begin: float, y: float, end: float, span: Span) -> Iterator[str]:
    width = end - begin - 1.5  # a gap, so that one is told from the next
    yield box(begin, y, width, _LANE, UPSTREAM, round_by=3)
    if name := words.label(span.route, int(width / _LETTER)):
        yield text(begin + width / 2, y + 15, name, size=11, fill="#ffffff", anchor="middle")
