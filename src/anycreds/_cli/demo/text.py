"""The demo told in 80 columns, a few lines for each act, with bars that show who waited when. Text only, no colour."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from textwrap import wrap
from typing import get_args

from .callers import Call, Outcome
from .checks import PROMISES, Figures, Verdict
from .scenarios import LATENCY, Act, Span

WIDTH = 80
_LABEL = 13  # columns for the names at the left of the bars
_COLUMNS = WIDTH - _LABEL
_TICK = 10  # columns between two figures of the time axis
# Seconds that one column stands for: the first that shows all of an act, so that most acts have the same scale.
_SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
# How much of a bar's tasks wait in the middle of a column: any, a quarter, half, three quarters.
_SHADES = "░▒▓█"
_AT_ONCE = "·"  # some asked and had their answer within the column
_FEW = 0.01  # of the tasks; of thousands there is always one that has just asked and is about to have its answer
# For terminals that cannot show these.
_PLAIN = str.maketrans({"░": ".", "▒": "-", "▓": "=", "█": "#", "─": "-", "├": "|", "┤": "|", "·": ":", "µ": "u"})


def readable(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.01:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def printable(text: str, encoding: str | None) -> str:
    """Return a text so that it can be printed in this encoding."""
    try:
        text.encode(encoding or "ascii")
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return text


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def label(route: str, room: int) -> str:
    """Return the name of a request, a shorter one, or none, so that it has no more letters than there is room for."""
    names = (route, "roles" if route == "role list" else route)
    return next((name for name in names if len(name) <= room), "")


def opening(callers: int, url: str) -> str:
    """Say what is about to happen, and how to read it."""
    return (
        f"A fake EC2 metadata service at {url} takes {readable(LATENCY)} to answer.\n"
        f"{counted(callers, 'task')} ask one cached provider at once, in four acts on each backend.\n"
        f"In the bars, {_SHADES[-1]} is where all wait, {_SHADES[0]} where a few do, {_AT_ONCE} where "
        "nobody has to."
    )


def heading(backend: str) -> str:
    """Return the line above a backend's acts."""
    return f"\n{f'── {backend} '.ljust(WIDTH, '─')}"


def waiting(why: str) -> str:
    """Return the line for a pause between two acts."""
    return f"\n   ... {why}"


def act(measured: Act, figures: Figures) -> str:
    """Tell one act."""
    promise = figures.promise
    lines = [
        "",
        f"{PROMISES.index(promise) + 1}  {promise.title}: {promise.story}; {counted(figures.asked, 'task')} ask",
        f"   {who(figures)}",
        f"   {upstream(figures)}",
        f"   {waits(figures)}",
    ]
    if figures.left_within is not None:
        lines.append(f"   {left(figures)}")
    lines += _bars(measured)
    for problem in figures.problems:
        lines += wrap(f"NOT AS PROMISED: {problem}", WIDTH, initial_indent="   ", subsequent_indent="      ")
    return "\n".join(lines)


def who(figures: Figures) -> str:
    """Say how many were served and how many were cancelled."""
    return f"{figures.served:,} served" + (f", {figures.cancelled:,} cancelled" if figures.cancelled else "")


def upstream(figures: Figures) -> str:
    """Say what was asked of the metadata service."""
    calls = counted(figures.upstream_calls, "upstream call")
    if not figures.http_requests:
        return calls
    routes = ", ".join(figures.promise.routes)
    kept = "" if "token" in routes else "; the token is kept"
    detail = f" ({routes}{kept})" if figures.http_requests == len(figures.promise.routes) else ""
    return f"{calls}: {counted(figures.http_requests, 'HTTP request')}{detail}"


def waits(figures: Figures) -> str:
    """Say how long those waited who were served."""
    found = figures.waits
    if found is None:
        return "nobody was served"
    shortest, median, longest = readable(found.min), readable(found.median), readable(found.max)
    return f"waits: shortest {shortest}, median {median}, longest {longest}"


def left(figures: Figures) -> str:
    """Say how soon the cancelled ones had left."""
    return f"cancelled, among them the one that began the refresh: gone within {readable(figures.left_within or 0.0)}"


def closing(verdicts: Sequence[Verdict]) -> str:
    """Sum up each backend, and say whether all is as promised."""
    lines = ["", "─" * WIDTH, *map(_summary, verdicts)]
    if any(verdict.problems for verdict in verdicts):
        return "\n".join([*lines, "Not as promised."])
    return "\n".join([*lines, "As promised: one refresh for all who ask, and no wait while a set is good."])


def _summary(verdict: Verdict) -> str:
    asked = sum(figures.asked for figures in verdict.acts)
    served = sum(figures.served for figures in verdict.acts)
    cancelled = sum(figures.cancelled for figures in verdict.acts)
    calls = sum(figures.upstream_calls for figures in verdict.acts)
    state = "ok" if not verdict.problems else "OFF"
    return (
        f"{verdict.backend:<8} {asked:,} asked, {served:,} served, {cancelled:,} cancelled, "
        f"{counted(calls, 'upstream call')}: {state}"
    )


def _bars(measured: Act) -> list[str]:
    start = measured.calls[0].asked
    last = max([call.ended for call in measured.calls] + [span.ended for span in measured.upstream]) - start
    scale = next((scale for scale in _SCALES if last <= scale * (_COLUMNS - 1)), last / _COLUMNS)
    rows = [(outcome, _crowd(measured.calls, outcome, start, scale)) for outcome in get_args(Outcome)]
    rows.append(("upstream", _spans(measured.upstream, start, scale)))
    return [_axis(scale)] + [f"   {name:<{_LABEL - 3}}{bar}" for name, bar in rows if bar]


def _axis(scale: float) -> str:
    unit, factor = ("ms", 1000) if scale * _COLUMNS < 1 else ("s", 1)
    figures = [f"{column * scale * factor:g}".ljust(_TICK) for column in range(0, _COLUMNS - 3, _TICK)]
    return f"{' ' * _LABEL}{''.join(figures).rstrip()} {unit}"


def _crowd(calls: Sequence[Call], outcome: Outcome, start: float, scale: float) -> str:
    """Draw how many of those with one outcome wait, over time."""
    asked = sorted(call.asked - start for call in calls if call.outcome == outcome)
    ended = sorted(call.ended - start for call in calls if call.outcome == outcome)
    if not asked:
        return ""
    bar = ""
    for column in range(int(ended[-1] / scale) + 1):
        middle, end = (column + 0.5) * scale, (column + 1) * scale
        waiting = bisect_right(asked, middle) - bisect_right(ended, middle)
        if waiting > _FEW * len(asked):
            bar += _SHADES[min(3, 4 * waiting // len(asked))]
        else:
            bar += _AT_ONCE if bisect_left(asked, end) > bisect_left(asked, column * scale) else " "
    return bar.rstrip()


def _spans(spans: Sequence[Span], start: float, scale: float) -> str:
    """Draw the HTTP requests, one after another, each with its name if there is room."""
    bar = ""
    for span in sorted(spans, key=lambda span: span.began)[:_COLUMNS]:
        begin, end = round((span.began - start) / scale), round((span.ended - start) / scale)
        bar = bar[:begin].ljust(begin)
        room = end - begin - 2
        name = label(span.route, room - 2)
        bar += f"├{(f' {name} ' if name else '').center(room, '─')}┤" if room >= 0 else "├"
    return bar[:_COLUMNS]
