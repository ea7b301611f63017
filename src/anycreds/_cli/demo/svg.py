"""The demo as one picture: for each backend the lives of its sets on one line, and below it the four acts as panels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import text as words
from .checks import PROMISES, Verdict
from .scenarios import ADVISORY_BEGINS, LATENCY, MANDATORY_BEGINS, Life, Play
from .svg_panel import HEIGHT as PANEL_HEIGHT
from .svg_panel import ROWS, axis_for, panel
from .svg_panel import WIDTH as PANEL_WIDTH
from .svg_shapes import (
    ADVISORY,
    CANCELLED,
    FRESH,
    INK,
    MANDATORY,
    NO_SET,
    RIGHT,
    SERVED,
    SOFT,
    UPSTREAM,
    WRONG,
    box,
    line,
    numbered,
    page,
    text,
)

_MARGIN, _GAP = 40.0, 24.0
_WIDTH = 2 * _MARGIN + 4 * PANEL_WIDTH + 3 * _GAP
_HEAD, _FOOT = 116.0, 48.0
_LINE_TOP = 76.0  # from the top of a backend to its line of sets
_LINE_HEIGHT = 20.0
_PANELS_TOP = 146.0
_BLOCK = _PANELS_TOP + PANEL_HEIGHT + 30
_LAST_SET = 0.08  # the newest set is shown for this part of the whole time, so that its name has room
_LEGEND = (
    (SERVED, "waits, and is served"),
    (CANCELLED, "waits, and is cancelled"),
    (UPSTREAM, "HTTP request upstream"),
    (FRESH, "set is fresh"),
    (ADVISORY, "advisory window"),
    (MANDATORY, "mandatory window"),
    (NO_SET, "no valid set"),
)


def draw(plays: Sequence[Play], verdicts: Sequence[Verdict]) -> str:
    """Return the SVG document."""
    callers = max((len(act.calls) for play in plays for act in play.acts), default=0)
    is_off = any(verdict.problems for verdict in verdicts)
    title = (
        words.counted(callers, "task") + " at once" + (": not as promised" if is_off else ", and one refresh for all")
    )
    shapes = [
        text(_MARGIN, 48, title, size=24, bold=True),
        text(
            _MARGIN,
            74,
            "anycreds on trio and asyncio, measured over real sockets: a fake EC2 metadata service takes "
            f"{words.readable(LATENCY)} for each answer.",
            size=14,
            fill=SOFT,
        ),
        *_legend(100),
    ]
    axis = axis_for([act for play in plays for act in play.acts])
    for number, (play, verdict) in enumerate(zip(plays, verdicts, strict=True)):
        top = _HEAD + number * _BLOCK
        shapes += _lives(top, play, verdict)
        for place, (act, figures) in enumerate(zip(play.acts, verdict.acts, strict=True)):
            shapes += panel(_MARGIN + place * (PANEL_WIDTH + _GAP), top + _PANELS_TOP, act, figures, axis)
    bottom = _HEAD + len(plays) * _BLOCK
    share = (
        f"about {callers / ROWS:,.0f} tasks" if callers >= 2 * ROWS else "a task" if callers <= ROWS else "some tasks"
    )
    shapes.append(
        text(_MARGIN, bottom + 14, f"In the panels, a line stands for {share}, from asking to the end.", fill=SOFT)
    )
    return page(_WIDTH, bottom + _FOOT, title, shapes)


def _legend(y: float) -> Iterator[str]:
    x = _MARGIN
    for color, meaning in _LEGEND:
        yield box(x, y - 10, 12, 12, color, round_by=3)
        yield text(x + 18, y, meaning, fill=SOFT)
        x += 44 + 6.7 * len(meaning)  # the width of a letter, at most


def _lives(top: float, play: Play, verdict: Verdict) -> Iterator[str]:
    """Draw a backend's name, how it did, and its sets over the whole time."""
    right = _WIDTH - _MARGIN
    yield line(_MARGIN, top + 8, right, top + 8, "#cbd5e1")
    yield text(_MARGIN, top + 38, play.backend, size=19, bold=True)
    told, color = ("not as promised", WRONG) if verdict.problems else ("as promised", RIGHT)
    yield text(right, top + 38, told, size=14, fill=color, anchor="end", bold=True)
    if not play.acts or not play.lives:
        return
    start = play.acts[0].calls[0].asked
    last = play.acts[-1]
    end = max([call.ended for call in last.calls] + [span.ended for span in last.upstream])
    end += _LAST_SET * (end - start)
    scale = (right - _MARGIN) / (end - start)
    y = top + _LINE_TOP

    def x(instant: float) -> float:
        return _MARGIN + (min(max(instant, start), end) - start) * scale

    yield box(_MARGIN, y, right - _MARGIN, _LINE_HEIGHT, NO_SET, round_by=3)
    until = [life.came for life in play.lives[1:]] + [end]
    for number, (life, replaced) in enumerate(zip(play.lives, until, strict=True), 1):
        for color, begin, finish in _windows(life, min(replaced, life.ends)):
            yield box(x(begin), y, x(finish) - x(begin), _LINE_HEIGHT, color)
        shown_until = min(replaced, life.came + ADVISORY_BEGINS * (life.ends - life.came))
        yield text(x((life.came + shown_until) / 2), y + 14.5, f"set {number}", size=11, anchor="middle")
    for act in play.acts:
        for span in act.upstream:
            yield box(x(span.began), y + _LINE_HEIGHT + 3, x(span.ended) - x(span.began) - 1, 5, UPSTREAM)
    yield from _pins(play, y, x(start), scale)
    step = next((step for step in (1, 2, 5, 10) if end - start < 20 * step), 20)
    for second in range(0, int(end - start) + 1, step):
        yield text(x(start + second), y + _LINE_HEIGHT + 24, f"{second} s", size=10, fill=SOFT, anchor="middle")


def _windows(life: Life, until: float) -> Iterator[tuple[str, float, float]]:
    """Return the windows of a set, each with its begin and end, as far as it is the one that is cached."""
    length = life.ends - life.came
    bounds = [life.came + part * length for part in (0.0, ADVISORY_BEGINS, MANDATORY_BEGINS, 1.0)]
    for color, begin, finish in zip((FRESH, ADVISORY, MANDATORY), bounds, bounds[1:], strict=False):
        if begin < until:
            yield color, begin, min(finish, until)


def _pins(play: Play, y: float, x: float, scale: float) -> Iterator[str]:
    """Draw the number of each act over the instant of its asking."""
    start, free = play.acts[0].calls[0].asked, 0.0
    for act in play.acts:
        at = x + (act.calls[0].asked - start) * scale
        number = next(number for number, promise in enumerate(PROMISES, 1) if promise.name == act.name)
        place = max(at, free)  # those of a short run stand side by side
        free = place + 20
        yield line(at, y - 6, at, y + _LINE_HEIGHT, INK, width=1.5)
        yield from numbered(place, y - 11, number)
