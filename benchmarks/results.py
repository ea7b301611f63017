"""All that was found, as one text for people and as one document for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from . import compared_table, concurrent_table, report
from .running import Found
from .scenarios import SCENARIOS
from .sources import SOURCES

Data: TypeAlias = dict[str, Any]
_FIGURES = re.compile(r"\[[-+.e\d,\s]+\]")


def as_data(found: Found, *, seconds: float, quick: bool) -> Data:
    """Return everything for JSON."""
    return {
        "quick": quick,
        "seconds": seconds,
        "machine": report.machine(found.peers),
        "cap": found.cap,
        "rates": dict(found.rates),
        "scenarios": {scenario.name: scenario.says for scenario in SCENARIOS},
        "sources": {source.name: source.says for source in SOURCES},
        "failed": list(found.failed),
        "concurrent": [one._asdict() for one in found.played],
        "compared": [one.as_data() for one in found.compared],
        "rows": [report.as_data(row) for row in found.rows],
    }


def as_text(found: Found, data: Data) -> str:
    """Return the tables, with the machine above them and the verdict below."""
    parts = [report.described(data["machine"])]
    if found.rates:
        rates = ", ".join(f"{name} {rate:,.0f} requests a second" for name, rate in found.rates.items())
        parts.append(f"The servers that all of this talks to: {rates}.")
    if found.played:
        parts += [concurrent_table.tables(found.played, found.cap)]
    parts += compared_table.tables(found.compared)
    if found.rows:
        parts.append(report.table(found.rows))
    missed = [f"{row.what} [{row.loop}]" for row in found.rows if row.met is False]
    failed = [f"could not be measured: {what}" for what in found.failed]
    end = f"{data['seconds']:.0f} s; goals missed: {', '.join(missed) or 'none'}"
    return "\n\n".join([*parts, "\n".join([end, *failed])])


def write(data: Data, file: Path) -> None:
    """Write the document. Each list of figures stands on one line, so that a change can be read."""
    text = json.dumps(data, indent=1, allow_nan=False)
    short = _FIGURES.sub(lambda found: " ".join(found[0].split()), text)
    file.write_text(short + "\n", encoding="utf-8")
