"""Runs ``python -m benchmarks`` in a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.unmeasured import environ_without_coverage

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m benchmarks`` with the library under test."""
    import anycreds

    source = str(Path(anycreds.__file__).parents[1])
    environ = {**environ_without_coverage(), "PYTHONPATH": os.pathsep.join((source, os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=110, check=False)
