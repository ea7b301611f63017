"""The summary for README.md, in Markdown: 1,000 callers by scenario, and the first credentials of a fresh process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .markdown import table
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


# Sources of a fresh process. Its last column is a scenario: 1,000 callers that start with it.
FRESH = {"environment": "environment keys", "container": "ECS or EKS", "imds": "EC2 metadata", "role": "assumed role"}
FRESH_CALLERS = "first"
FRESH_HEAD = "first credentials in a fresh process, imports included: beyond its bare interpreter"


def tables(data: Mapping[str, Any]) -> str | None:
    """Return both tables, or None if a part of them was not measured."""
    results = {(one["peer"], one["scenario"]): one for one in data["concurrent"] if one["callers"] == CALLERS}
    fresh = {(one["peer"], one["what"]): one["figure"] for one in data["compared"] if one["benchmark"] == "fresh"}
    peers = [peer for peer in dict.fromkeys(peer for peer, _ in results) if "event" not in peer]
    is_complete = all(
        (peer, scenario) in results and (peer, source) in fresh
        for peer in peers
        for scenario in (*SHOWN, FRESH_CALLERS)
        for source in FRESH
    )
    if not is_complete or not peers:
        return None
    callers = [[peer, *(_cell(results[peer, scenario]) for scenario in SHOWN)] for peer in peers]
    first = [
        [peer, *(_time(fresh[peer, source]) for source in FRESH), _cell(results[peer, FRESH_CALLERS])] for peer in peers
    ]
    return "\n".join(
        (
            table([f"{CALLERS:,} callers: served, upstream requests, p99 wait", *SHOWN.values()], callers),
            table([FRESH_HEAD, *FRESH.values(), f"{CALLERS:,} callers in a program that has just started"], first),
        )
    )


def _time(figure: Mapping[str, float] | None) -> str:
    return "–" if figure is None else amount(figure["median"], "s")


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
