"""The demo's figures as one JSON document, for programs. Times are in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .checks import Figures, Verdict, cancelled_in, leaves_within, longest_wait
from .scenarios import LATENCY


def document(verdicts: Sequence[Verdict], callers: int) -> dict[str, Any]:
    """Return all that was measured, and what was expected."""
    backends = [
        {
            "backend": verdict.backend,
            "acts": [_act_as_json(act) for act in verdict.acts],
            "problems": list(verdict.problems),
            "ok": not verdict.problems,
        }
        for verdict in verdicts
    ]
    ok = all(not verdict.problems for verdict in verdicts)
    return {"callers": callers, "latency": LATENCY, "backends": backends, "ok": ok}


def _act_as_json(figures: Figures) -> dict[str, Any]:
    promise, cancelled = figures.promise, cancelled_in(figures.promise, figures.asked)
    return {
        "act": promise.name,
        "callers": figures.asked,
        "served": figures.served,
        "cancelled": figures.cancelled,
        "upstream_calls": figures.upstream_calls,
        "http_requests": figures.http_requests,
        "waits": None if figures.waits is None else figures.waits._asdict(),
        "cancelled_left_within": figures.left_within,
        "expected": {
            "served": figures.asked - cancelled,
            "cancelled": cancelled,
            "upstream_calls": promise.upstream_calls,
            "http_requests": len(promise.routes),
            "longest_wait": longest_wait(promise),
            "cancelled_left_within": leaves_within(figures.asked) if cancelled else None,
        },
        "ok": not figures.problems,
    }
