"""The tables of the simulated fleet for the documentation, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .markdown import table

DAY = ("sessions of 1 hour, 24 hours", "mean minute", "busiest minute", "mean second", "p99", "busiest second")
OUTAGE = (
    "30 minutes of outage",
    "hosts without credentials",
    "busiest second in it",
    "busiest second after it",
    "all hosts have credentials after",
    "busiest minute later",
)


def tables(data: Mapping[str, Any]) -> str | None:
    """Return both tables, or None if the fleet was not measured."""
    rows = [row for row in data["rows"] if "per_minute" in row["details"]]
    day = [_of_day(row) for row in rows if "outage" not in row["details"]]
    outage = [_of_outage(row) for row in rows if "outage" in row["details"]]
    return "\n".join((table(DAY, day), table(OUTAGE, outage))) if day and outage else None


def _of_day(row: Mapping[str, Any]) -> list[str]:
    details, mean = row["details"], row["baseline"]["median"]
    return [
        _name(details),
        f"{mean:,.0f}",
        f"{row['ours']['median']:,.0f} ({row['judged']['median']:.1f} × the mean)",
        *(f"{details[name]:,.{digits}f}" for name, digits in (("mean", 1), ("p99", 0), ("most", 0))),
    ]


def _of_outage(row: Mapping[str, Any]) -> list[str]:
    details = row["details"]
    return [
        _name(details),
        f"{details['denied']:,}",
        f"{details['most']:,}",
        f"{row['ours']['median']:,.0f}",
        f"{details['recovered']:.0f} s" if details["denied"] else "–",
        f"{details['echo']:.1f} × the mean",
    ]


def _name(details: Mapping[str, Any]) -> str:
    name: str = details["variant"]
    return name.replace("spread_first_refresh", "`spread_first_refresh`").replace("refresh_window", "`refresh_window`")
