"""``python -m benchmarks.plots RESULTS.json FOLDER``: plots the results of ``python -m benchmarks`` as SVG and PNG."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from . import fleet_plot

CALLERS = 1_000
WAITS_OF = ("cold", "expired", "advisory", "outage", "unchanged", "deadlines")
REQUESTS_OF = ("cold", "expired")
SHORTEST = 1e-6  # seconds; shorter waits are cache hits, and are drawn at this value
BASELINE = "one event on asyncio"
# Colours for all types of colour vision (Okabe and Ito), each with its own line style.
STYLES: dict[str, dict[str, Any]] = {
    "anycreds on asyncio": {"color": "#D55E00", "linewidth": 2.6, "zorder": 5},
    "anycreds on trio": {"color": "#E69F00", "linewidth": 2.6, "linestyle": (0, (5, 1)), "zorder": 4},
    "aiobotocore on asyncio": {"color": "#0072B2"},
    "aiobotocore on trio": {"color": "#56B4E9", "linestyle": (0, (4, 2))},
    "botocore in threads": {"color": "#009E73", "linestyle": (0, (1, 1))},
    "awscrt on asyncio": {"color": "#CC79A7", "linestyle": (0, (3, 1, 1, 1))},
    "JavaScript SDK on node": {"color": "#444444", "linestyle": (0, (6, 2, 1, 2))},
    BASELINE: {"color": "#AAAAAA", "linewidth": 1.0},
}

Data = Mapping[str, Any]


def draw(data: Data, folder: Path) -> list[Path]:
    """Draw all plots for which there are figures. Return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with mpl.rc_context({"svg.hashsalt": "anycreds", "font.size": 9, "axes.grid": True, "grid.alpha": 0.25}):
        for name, plot in PLOTS.items():
            figure = plot(data)
            if figure is None:
                continue
            for suffix in ("svg", "png"):
                drawn.append(folder / f"{name}.{suffix}")
                figure.savefig(drawn[-1], dpi=110, metadata={"Date": None} if suffix == "svg" else None)
    return drawn


def _waits(data: Data) -> Figure | None:
    """Draw the share of 1,000 callers that have credentials, by time."""
    results = [one for one in data["concurrent"] if one["callers"] == CALLERS and one["scenario"] in WAITS_OF]
    if not results:
        return None
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    grid = figure.subplots(2, 3, sharey=True)
    for axes, scenario in zip(grid.flat, WAITS_OF, strict=True):
        for one in results:
            if one["scenario"] == scenario and one["peer"] in STYLES and one["reason"] is None:
                _served(axes, one)
        axes.set_xscale("log")
        axes.set_xlim(SHORTEST, data["time_limit"])
        axes.set_ylim(-4, 104)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _seconds(seconds)))
        axes.set_title(_title(data, scenario), fontsize=8.5)
    for axes in grid[:, 0]:
        axes.set_ylabel("calls with credentials (%)")
    for axes in grid[-1]:
        axes.set_xlabel("time since the call")
    figure.suptitle(f"{CALLERS:,} callers of one source; where a line ends below 100 %, the others got no credentials")
    _legend(figure, grid.flat)
    return figure


def _served(axes: Axes, one: Data) -> None:
    calls, waits = sum(one["outcomes"].values()), one["waits"]
    share = 100.0 * one["outcomes"].get("served", 0) / max(calls, 1)
    if one["scenario"] == "deadlines":  # a call may time out, but the caller calls again
        share = 100.0 * one["served"] / one["callers"]
    steps = len(waits) - 1
    times = [max(wait, SHORTEST) for wait in waits] or [SHORTEST]
    shares = [share * step / steps for step in range(len(waits))] if waits else [0.0]
    axes.plot([*times, 1e3], [*shares, shares[-1]], label=one["peer"], **STYLES[one["peer"]])


def _requests(data: Data) -> Figure | None:
    """Draw the number of upstream requests by number of callers."""
    results = [one for one in data["concurrent"] if one["scenario"] in REQUESTS_OF and one["reason"] is None]
    if len({one["callers"] for one in results}) < 2:
        return None
    figure = Figure(figsize=(11, 3.9), layout="constrained")
    row = figure.subplots(1, len(REQUESTS_OF), sharey=True)
    for axes, scenario in zip(row, REQUESTS_OF, strict=True):
        for peer, style in STYLES.items():
            mine = [one for one in results if one["scenario"] == scenario and one["peer"] == peer]
            points = sorted((one["callers"], max(one["requests"], 1)) for one in mine)
            late = [(one["callers"], max(one["requests"], 1)) for one in mine if one["served"] < one["callers"]]
            if points and peer != BASELINE:
                axes.plot(*zip(*points, strict=True), label=peer, marker="o", markersize=4, **style)
                for point in late:
                    axes.scatter(*point, s=40, color="white", edgecolors=style["color"], zorder=6)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda requests, _: f"{requests:,.0f}"))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda callers, _: f"{callers:,.0f}"))
        axes.set_title(_title(data, scenario), fontsize=8.5)
        axes.set_xlabel("callers")
    row[0].set_ylabel(f"upstream requests, within {data['time_limit']:g} s")
    figure.suptitle("Upstream requests by number of callers; white: not all callers got credentials in time")
    _legend(figure, row)
    return figure


def _by_source(data: Data, benchmark: str, x_label: str, title: str) -> Figure | None:
    """Draw the time of each peer, by source."""
    found = [
        one
        for one in data["compared"]
        if one["benchmark"] == benchmark and one["unit"] == "s" and one["figure"] is not None
    ]
    names = list(dict.fromkeys(one["what"] for one in found))
    if len(names) < 3:
        return None
    peers = list(dict.fromkeys(one["peer"] for one in found))
    figure = Figure(figsize=(11, 0.7 * len(names) + 1.8), layout="constrained")
    axes = figure.subplots()
    for index, peer in enumerate(peers):
        mine = {one["what"]: one["figure"]["median"] for one in found if one["peer"] == peer}
        points = [(names.index(name) + 0.75 * (index / max(len(peers) - 1, 1) - 0.5), at) for name, at in mine.items()]
        color = STYLES.get(peer, {}).get("color", "#AAAAAA")
        marker = "D" if peer.startswith("anycreds") else "o" if peer in STYLES else "|"
        axes.scatter(
            [at for _, at in points], [position for position, _ in points], label=peer, color=color, marker=marker, s=34
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _seconds(seconds)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(x_label)
    figure.suptitle(title)
    _legend(figure, [axes])
    return figure


def _legend(figure: Figure, axes: Sequence[Axes] | Any) -> None:
    found: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    order = [*(peer for peer in STYLES if peer in found), *(peer for peer in found if peer not in STYLES)]
    figure.legend([found[peer] for peer in order], order, loc="outside lower center", ncols=4, frameon=False)


def _title(data: Data, scenario: str) -> str:
    return fill(f"{scenario}: {data['scenarios'][scenario]}", 52)


def _seconds(seconds: float) -> str:
    for least, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= least * 0.999:
            return f"{seconds / least:g} {unit}"
    return f"{seconds * 1e9:g} ns"


PLOTS: dict[str, Callable[[Data], Figure | None]] = {
    "waits": _waits,
    "calls": _requests,
    "fleet": fleet_plot.draw,
    "cold-start": lambda data: _by_source(
        data,
        "cold",
        "time to the first credentials, imports done (median)",
        "Cold call by source; baselines in grey",
    ),
    "fresh-process": lambda data: _by_source(
        data,
        "fresh",
        "time to the first credentials beyond a bare interpreter, imports included (median)",
        "Fresh process by source; baselines in grey",
    ),
}

if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
