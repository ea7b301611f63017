"""Starts programs whose memory or modules a test counts: without coverage, which would be counted too."""

from __future__ import annotations

import os


def environ_without_coverage() -> dict[str, str]:
    """Return the environment variables without those by which coverage measures the programs that tests start."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
