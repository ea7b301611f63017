"""The one table that matters, in Markdown, for README.md: what becomes of 1,000 callers, by library and situation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report import amount

CALLERS = 1_000
SHOWN = {
    "cold": "cold",
    "expiry": "the set has ended",
    "ahead": "due for a refresh",
    "outage": "outage, set good for 4 min",
    "sticky": "same set again",
    "deadlines": "deadlines shorter than a refresh",
}


def table(data: Mapping[str, Any]) -> str | None:
    """Return the table; None: not all of it was measured."""
    played = {(one["peer"], one["scenario"]): one for one in data["concurrent"] if one["callers"] == CALLERS}
    peers = [peer for peer in dict.fromkeys(peer for peer, _ in played) if "event" not in peer]
    if not all((peer, scenario) in played for peer in peers for scenario in SHOWN) or not peers:
        return None
    head = [f"{CALLERS:,} callers: served, upstream calls, p99 wait", *SHOWN.values()]
    lines = [head, ["---"] * len(head)]
    lines += [[peer, *(_cell(played[peer, scenario]) for scenario in SHOWN)] for peer in peers]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(one: Mapping[str, Any]) -> str:
    if one["reason"] is not None:
        return "–"
    calls = f"{one['calls']:,} call{'' if one['calls'] == 1 else 's'}"
    wait = f", {amount(one['p99'], 's')}" if one["p99"] is not None else ""
    return f"{_served(one)}, {calls}{wait}"


def _served(one: Mapping[str, Any]) -> str:
    if one["served"] == one["callers"]:
        return "all"
    return f"{one['served']:,}" if one["served"] else "**none**"
