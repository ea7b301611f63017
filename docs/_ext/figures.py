"""Draws the figures of the pages into ``docs/_figures``: the refresh windows, from the policy itself, and a timeline.

The timeline shows the document that ``anycreds demo --json`` has printed, ``docs/explanation/demo.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
from sphinx.application import Sphinx

from anycreds import Credentials
from anycreds._cache import policy
from anycreds._cache.policy import CacheSnapshot
from anycreds._cache.refresh_windows import ClockReading, schedule

mpl.use("svg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[1]
FIGURES = DOCS / "_figures"
MINUTE = 60.0
# What a caller gets, by decision: the label and the color, distinguishable without seeing colors.
DECISIONS = (
    (policy.SERVE, "the cached credentials", "#a6dba0"),
    (policy.REFRESH_IN_BACKGROUND, "the cached credentials; a refresh starts in the background", "#fee391"),
    (policy.WAIT_BRIEFLY, "waits for the refresh, at most 5 s", "#fe9929"),
    (policy.WAIT, "waits for the refresh", "#ca0020"),
)
LIFETIMES = (
    ("15 minutes (aws login)", 15),
    ("1 hour (a role)", 60),
    ("6 hours (EC2)", 360),
    ("12 hours (a role)", 720),
)
PANELS = ((75.0, -3.0, 0.05), (2.5, -0.5, 0.005))  # minutes before the expiration: from, to, step
FONT = {"font.size": 10, "svg.hashsalt": "anycreds", "svg.fonttype": "none", "font.family": "sans-serif"}


def draw_windows(path: Path) -> None:
    """Draw which decision a caller gets how long before the expiration, for several lifetimes."""
    # One above the other, so that the text can be read on a narrow screen.
    figure, axes = plt.subplots(2, 1, figsize=(6.2, 5.6), layout="constrained")
    for axis, (start, end, step) in zip(axes, PANELS, strict=True):
        for row, (_, minutes) in enumerate(LIFETIMES):
            _draw_lifetime(axis, row, minutes, _range(min(start, minutes), end, step))
        axis.axvline(0, color="black", linewidth=1)
        axis.set_xlim(start, end)
        axis.set_yticks(range(len(LIFETIMES)), [label for label, _ in LIFETIMES])
        axis.invert_yaxis()
    axes[0].set_xlabel("minutes until the credentials expire")
    axes[1].set_xlabel("the last minutes, enlarged")
    bars = [plt.Rectangle((0, 0), 1, 1, color=color) for _, _, color in DECISIONS]
    figure.legend(bars, [label for _, label, _ in DECISIONS], loc="outside upper left", frameon=False)
    _save(path)


def _range(start: float, end: float, step: float) -> list[float]:
    return [start - step * number for number in range(round((start - end) / step) + 1)]


def _draw_lifetime(axis: Any, row: int, minutes: int, remaining: Sequence[float]) -> None:
    """Draw one bar: a segment for each run of equal decisions at the remaining minutes."""
    expiration = datetime(2030, 1, 1, tzinfo=UTC)
    end = expiration.timestamp()
    credentials = Credentials("AKIDEXAMPLE", "not-a-secret", "t", expiration=expiration)
    cached = schedule(credentials, ClockReading(end - minutes * MINUTE, -minutes * MINUTE), jitter=0.0)
    snapshot = CacheSnapshot(cached)

    def decision(left: float) -> policy.Decision:
        return policy.decide(snapshot, ClockReading(end - left * MINUTE, -left * MINUTE))

    # From the left to the right; each segment is drawn over the rest of the one before.
    for made, times in groupby(remaining, decision):
        color = next(color for known, _, color in DECISIONS if known is made)
        axis.barh(row, width=remaining[-1] - (first := next(times)), left=first, height=0.6, color=color)


def draw_timeline(path: Path) -> None:
    """Draw the calls of the demo's first scenario: who waits, who is cancelled, and the requests of the one refresh."""
    demo = json.loads((DOCS / "explanation" / "demo.json").read_text(encoding="utf-8"))
    (cold,) = (one for one in demo["backends"][0]["scenarios"] if one["scenario"] == "cold")
    figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
    calls = sorted(zip(cold["called_at"], cold["ended_at"], cold["outcome"], strict=True))
    colors = {"returned": "#92c5de", "cancelled": "#ca0020"}
    for row, (start, end, outcome) in enumerate(calls):
        axis.barh(row, (end - start) * 1000, left=start * 1000, height=0.8, color=colors[outcome])
    for request in cold["requests"]:
        axis.axvline(request["at"] * 1000, color="black", linestyle="--", linewidth=1)
        axis.text(request["at"] * 1000 + 3, len(calls) + 1.5, f"request: {request['route']}", fontsize=9)
    bars = [plt.Rectangle((0, 0), 1, 1, color=color) for color in colors.values()]
    labels = ["a caller waits, and gets the credentials", "a caller is cancelled, and leaves at once"]
    figure.legend(bars, labels, loc="outside upper center", ncols=2, frameon=False)
    axis.set_xlabel("milliseconds since the first call")
    axis.set_ylabel("callers")
    axis.set_ylim(-1, len(calls) + 5)
    _save(path)


def _save(path: Path) -> None:
    plt.savefig(path, metadata={"Date": None}, facecolor="white")
    plt.close()


def draw(_: Sphinx) -> None:
    """Draw all figures."""
    FIGURES.mkdir(exist_ok=True)
    with mpl.rc_context(FONT):
        draw_windows(FIGURES / "windows.svg")
        draw_timeline(FIGURES / "timeline.svg")


def setup(app: Sphinx) -> dict[str, Any]:
    """Draw before the pages are read."""
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True}
