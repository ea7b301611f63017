"""The summary table for README.md, in Markdown: 1,000 callers, by library and scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report import amount

CALLERS = 1_000
SHOWN = {
    "cold": "cold",
    "expired": "expired",
    "advisory": "advisory window",
    "outage": "outage, 4 min left",
    "unchanged": "refresh returns the same credentials",
    "deadlines": "timeouts shorter than a refresh",
}


def table(data: Mapping[str, Any]) -> str | None:
    """Return the table, or None if a part of it was not measured."""
    results = {(one["peer"], one["scenario"]): one for one in data["concurrent"] if one["callers"] == CALLERS}
    peers = [peer for peer in dict.fromkeys(peer for peer, _ in results) if "event" not in peer]
    if not all((peer, scenario) in results for peer in peers for scenario in SHOWN) or not peers:
        return None
    head = [f"{CALLERS:,} callers: served, upstream requests, p99 wait", *SHOWN.values()]
    lines = [head, ["---"] * len(head)]
    lines += [[peer, *(_cell(results[peer, scenario]) for scenario in SHOWN)] for peer in peers]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(one: Mapping[str, Any]) -> str:
    if one["reason"] is not None:
        return "–"
    requests = f"{one['requests']:,} request{'' if one['requests'] == 1 else 's'}"
    wait = f", {amount(one['p99'], 's')}" if one["p99"] is not None else ""
    return f"{_served(one)}, {requests}{wait}"


def _served(one: Mapping[str, Any]) -> str:
    if one["served"] == one["callers"]:
        return "all"
    return f"{one['served']:,}" if one["served"] else "**none**"
