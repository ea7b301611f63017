"""Draws a simulated fleet: its requests over a day, in an outage, and in the seconds around the end of the outage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

# By variant, distinguishable without seeing colors (Okabe and Ito).
STYLES: dict[str, dict[str, Any]] = {
    "no random numbers": {"color": "#AAAAAA", "linewidth": 0.8},
    "default": {"color": "#0072B2", "linewidth": 0.9},
    "spread_first_refresh": {"color": "#D55E00", "linewidth": 1.4},
    "… and refresh_window 30 min": {"color": "#009E73", "linewidth": 1.2, "linestyle": (0, (3, 1, 1, 1))},
    "… and sessions of 3 h": {"color": "#CC79A7", "linewidth": 1.2, "linestyle": (0, (4, 1))},
}
LEAST = 0.7  # where none is drawn, since the scale is logarithmic


def draw(data: Mapping[str, Any]) -> Figure | None:
    """Return the figure; None without rows of a fleet."""
    rows = [row["details"] for row in data["rows"] if "per_minute" in row["details"]]
    day, outage = [one for one in rows if "outage" not in one], [one for one in rows if "outage" in one]
    if not day or not outage:
        return None
    figure = Figure(figsize=(11, 6.8), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    _draw_day(figure.add_subplot(grid[0, :]), day)
    _draw_outage(figure.add_subplot(grid[1, 0]), outage)
    _draw_end(figure.add_subplot(grid[1, 1]), outage)
    figure.suptitle(f"Requests of {day[0]['hosts']:,} hosts that start within one second, with sessions of one hour")
    return figure


def _draw_day(axes: Axes, variants: Sequence[Mapping[str, Any]]) -> None:
    for one in variants:
        minutes = one["per_minute"]
        _line(axes, [minute / 60 for minute in range(len(minutes))], minutes, one["variant"])
    minutes = variants[-1]["per_minute"][1:]
    axes.axhline(2 * sum(minutes) / len(minutes), color="black", linewidth=0.8, linestyle=":", label="twice the mean")
    axes.set_xlim(-0.2, 24)
    axes.xaxis.set_major_locator(MultipleLocator(2))
    _finish(axes, "requests per minute", "hours since the start", "A day without faults")


def _draw_outage(axes: Axes, variants: Sequence[Mapping[str, Any]]) -> None:
    begin, end = (at / 60 for at in variants[0]["outage"])
    axes.axvspan(begin, end, color="#EEEEEE")
    for one in variants:
        _line(axes, range(len(one["per_minute"])), one["per_minute"], one["variant"])
    axes.set_xlim(begin - 15, end + 100)
    _finish(axes, "requests per minute", "minutes since the start", "STS is down for the minutes in grey")


def _draw_end(axes: Axes, variants: Sequence[Mapping[str, Any]]) -> None:
    axes.axvspan(-30, 0, color="#EEEEEE")
    for one in variants:
        _line(axes, range(-30, 60), one["around_end"], one["variant"])
    axes.set_xlim(-30, 60)
    _finish(axes, "requests per second", "seconds since the end of the outage", "The end of the outage")


def _line(axes: Axes, times: Sequence[float], counts: Sequence[int], variant: str) -> None:
    heights = [max(count, LEAST) for count in counts]
    axes.plot(times, heights, drawstyle="steps-post", label=variant, **STYLES[variant])


def _finish(axes: Axes, y_label: str, x_label: str, title: str) -> None:
    axes.set_yscale("log")
    axes.set_ylim(bottom=LEAST)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.set_ylabel(y_label)
    axes.set_xlabel(x_label)
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=7, loc="upper right", framealpha=0.9)
