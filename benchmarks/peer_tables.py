"""Tables of peer figures: a line per peer, a column per task."""

from __future__ import annotations

from collections.abc import Sequence

from .peer_figures import PeerFigure
from .report import amount, columns

TITLES = {
    "hits": "Cache hit, one call (median)",
    "cold": "Cold call by source, imports done (median)",
    "fresh": "Fresh process to its first credentials: time beyond its bare interpreter, and peak memory (median)",
    "nothing": "Fresh process without credentials, from start to exit (median)",
}


def tables(compared: Sequence[PeerFigure]) -> list[str]:
    """Return a table for each benchmark that was run."""
    found = []
    for benchmark, title in TITLES.items():
        mine = [one for one in compared if one.benchmark == benchmark]
        if mine:
            found.append("\n".join([title, _table(mine), *_reasons(mine)]))
    return found


def _table(compared: Sequence[PeerFigure]) -> str:
    whats = list(dict.fromkeys(one.what for one in compared))
    lines = [["", *whats]]
    for peer in dict.fromkeys(one.peer for one in compared):
        mine = {one.what: one for one in compared if one.peer == peer}
        lines.append([peer, *(_cell(mine.get(what)) for what in whats)])
    return columns([line for line in lines if len(set(line[1:])) > 1 or line[1] not in ("n/a", "")])


def _cell(one: PeerFigure | None) -> str:
    if one is None:
        return ""
    if one.figure is None:
        return "n/a"
    return f"{one.figure.median / 2**20:.1f} MiB" if one.unit == "bytes" else amount(one.figure.median, "s")


def _reasons(compared: Sequence[PeerFigure]) -> list[str]:
    """Return why there are no figures, once per peer and reason."""
    missing: dict[tuple[str, str], list[str]] = {}
    for one in compared:
        if one.reason is not None:
            missing.setdefault((one.peer, one.reason), []).append(one.what)
    return [f"    {peer}, {', '.join(whats)}: n/a, {reason}" for (peer, reason), whats in missing.items()]
