"""Formats the results of a run as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from . import concurrent_tables, peer_tables, report
from .runner import Measurements
from .scenarios import SCENARIOS
from .sources import SOURCES

Data: TypeAlias = dict[str, Any]
_FIGURES = re.compile(r"\[[-+.e\d,\s]+\]")


def as_data(found: Measurements, *, seconds: float, quick: bool) -> Data:
    """Return the results as JSON data."""
    return {
        "quick": quick,
        "seconds": seconds,
        "machine": report.machine(found.peers),
        "time_limit": found.time_limit,
        "rates": dict(found.rates),
        "scenarios": {scenario.name: scenario.description for scenario in SCENARIOS},
        "sources": {source.name: source.description for source in SOURCES},
        "failed": list(found.failed),
        "concurrent": [one._asdict() for one in found.results],
        "compared": [one.as_data() for one in found.compared],
        "rows": [report.as_data(row) for row in found.rows],
    }


def as_text(found: Measurements, data: Data) -> str:
    """Return the tables, with the machine above and the missed goals below."""
    parts = [report.describe(data["machine"])]
    if found.rates:
        rates = ", ".join(f"{name} {rate:,.0f} requests per second" for name, rate in found.rates.items())
        parts.append(f"Benchmark servers: {rates}.")
    if found.results:
        parts += [concurrent_tables.tables(found.results, found.time_limit)]
    parts += peer_tables.tables(found.compared)
    if found.rows:
        parts.append(report.table(found.rows))
    missed = [f"{row.what} [{row.loop}]" for row in found.rows if row.met is False]
    failed = [f"could not be measured: {what}" for what in found.failed]
    end = f"{data['seconds']:.0f} s; goals missed: {', '.join(missed) or 'none'}"
    return "\n\n".join([*parts, "\n".join([end, *failed])])


def write(data: Data, file: Path) -> None:
    """Write the JSON file. Each list of figures is one line, so that diffs are readable."""
    text = json.dumps(data, indent=1, allow_nan=False)
    short = _FIGURES.sub(lambda found: " ".join(found[0].split()), text)
    file.write_text(short + "\n", encoding="utf-8")
