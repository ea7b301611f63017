"""What each peer took to do the same thing, as tables: a line for each peer, a column for each thing."""

from __future__ import annotations

from collections.abc import Sequence

from .compared import Compared
from .report import amount, columns

SERVICE_NAMES = {
    "hits": "A fresh set is cached: one ask (median)",
    "cold": "Cold resolve by source, imports done (median)",
    "fresh": "A fresh process, start and end included (median)",
}


def tables(compared: Sequence[Compared]) -> list[str]:
    """Return a table for each benchmark that was run."""
    found = []
    for benchmark, title in SERVICE_NAMES.items():
        mine = [one for one in compared if one.benchmark == benchmark]
        if mine:
            found.append("\n".join([title, _table(mine), *_reasons(mine)]))
    return found


def _table(compared: Sequence[Compared]) -> str:
    whats = list(dict.fromkeys(one.what for one in compared))
    lines = [["", *whats]]
    for peer in dict.fromkeys(one.peer for one in compared):
        mine = {one.what: one for one in compared if one.peer == peer}
        lines.append([peer, *(_cell(mine.get(what)) for what in whats)])
    return columns([line for line in lines if len(set(line[1:])) > 1 or line[1] not in ("n/a", "")])


def _cell(one: Compared | None) -> str:
    if one is None:
        return ""
    if one.figure is None:
        return "n/a"
    return f"{one.figure.median / 2**20:.1f} MiB" if one.unit == "bytes" else amount(one.figure.median, "s")


def _reasons(compared: Sequence[Compared]) -> list[str]:
    """Say why there are no figures, once for each peer and reason."""
    said: dict[tuple[str, str], list[str]] = {}
    for one in compared:
        if one.reason is not None:
            said.setdefault((one.peer, one.reason), []).append(one.what)
    return [f"    {peer}, {', '.join(whats)}: n/a, {reason}" for (peer, reason), whats in said.items()]
