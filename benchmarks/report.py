"""Formats rows as a table and as JSON, and describes the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .measurement import Row, Span
from .peers import Peer

PACKAGES = ("anycreds", "anyio", "httpx", "httpcore", "h11", "trio", "uvloop", "botocore")  # besides those of the peers
HEAD = ("benchmark", "loop", "anycreds", "baseline", "comparison", "goal", "met?")
_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))
_PER_SECOND = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}


def machine(peers: Iterable[Peer] = ()) -> dict[str, Any]:
    """Return the facts about the machine that influence figures."""
    names = dict.fromkeys([*PACKAGES, *(name for peer in peers for name in peer.packages)])
    others = {name: number for peer in peers for name, number in peer.versions.items()}
    affinity = getattr(os, "sched_getaffinity", None)
    load = getattr(os, "getloadavg", None)
    return {
        "cpus": len(affinity(0)) if affinity else os.cpu_count(),
        "load": load()[0] if load else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {**{name: found for name in names if (found := _version(name))}, **others},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def describe(facts: dict[str, Any]) -> str:
    """Return the machine's facts as two lines of text."""
    load = "" if facts["load"] is None else f" (load before the run: {facts['load']:.2f})"
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    return f"{facts['cpus']} CPUs{load}, {facts['system']}, {facts['python']}\n{packages}"


def as_data(row: Row) -> dict[str, Any]:
    """Return a row as JSON data."""
    return {name: _plain(value) for name, value in {**row._asdict(), "met": row.met}.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Span):
        return value._asdict()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def from_data(data: dict[str, Any]) -> Row:
    """Return the row for JSON data."""
    spans = {key: data[key] and Span(**data[key]) for key in ("ours", "baseline", "judged")}
    return Row(**{name: spans.get(name, data[name]) for name in Row._fields})


def table(rows: Sequence[Row]) -> str:
    """Return the table of the rows, followed by their notes."""
    return "\n".join([columns([HEAD, *(_cells(row) for row in rows)]), "", *_remarks(rows)])


def columns(cells: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as aligned columns; the first line is the head."""
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    baseline = "" if row.baseline is None else _figure(row.baseline, row.unit)
    met = {True: "yes", False: "NO", None: ""}[row.met]
    return (row.what, row.loop, _figure(row.ours, row.unit), baseline, _compared(row), _goal(row), met)


def _compared(row: Row) -> str:
    if row.kind == "ratio":
        return f"{row.judged.median:.2f} × ({row.judged.least:.2f}..{row.judged.most:.2f})"
    if row.kind == "excess":
        return _figure(row.judged, row.unit, sign="+")
    return ""


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    if row.kind == "ratio":
        return f"≤ {row.goal:g} ×"
    text = amount(row.goal, row.unit, "+" if row.kind == "excess" else "", short=True)
    return f"= {text}" if row.kind == "exact" else f"≤ {text}"


def _figure(figure: Span, unit: str, sign: str = "") -> str:
    """Format a median with its bounds, in a suitable unit."""
    if figure.least == figure.most:
        return amount(figure.median, unit, sign)
    factor, name = _scale(figure.median, unit)
    low, high = (f"{bound * factor:.{_digits(figure.median * factor)}f}" for bound in figure[1:3])
    return f"{amount(figure.median, unit, sign)} ({low}..{high})" if name else f"{figure.median:g}"


def amount(value: float, unit: str, sign: str = "", *, short: bool = False) -> str:
    """Format a figure in a suitable unit."""
    if unit in ("requests", "modules"):
        return f"{value:g}"
    factor, name = _scale(value, unit)
    number = f"{value * factor:g}" if short else f"{value * factor:.{_digits(value * factor)}f}"
    return f"{sign if value > 0 else ''}{number} {name}"


def _digits(value: float) -> int:
    return 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2


def _scale(value: float, unit: str) -> tuple[float, str]:
    if unit != "s":
        return 1.0, "B"
    name = next(name for bound, name in _SCALES if abs(value) >= bound)
    return _PER_SECOND[name], name


def _remarks(rows: Iterable[Row]) -> list[str]:
    """Return the baseline and the notes of each figure, by event loop."""
    notes_by_row: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        texts = notes_by_row.setdefault(row.what, {})
        for text in (*((f"baseline: {row.baseline_is}",) if row.baseline_is else ()), *row.notes):
            texts.setdefault(text, []).append(row.loop)
    lines = []
    for what, texts in notes_by_row.items():
        everywhere = max((len(loops) for loops in texts.values()), default=0)
        lines += [what] if texts else []
        for text, loops in texts.items():
            lines.append(f"    {text}" if len(loops) == everywhere > 1 else f"    {text} [{', '.join(loops)}]")
    return lines
