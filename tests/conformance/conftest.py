"""Prints how many cases agreed with another SDK, and why others differ or were skipped."""

from __future__ import annotations

from collections import Counter

import pytest

from conformance.peer import RESULTS


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for peer, results in config.stash[RESULTS].items():
        kinds = Counter(result.partition(":")[0] for result in results.values())
        terminalreporter.section(f"conformance cases compared with {peer}")
        for kind in ("agreed", "differs", "skipped"):
            terminalreporter.write_line(f"{kind:8} {kinds[kind]:4}")
        for reason, count in sorted(Counter(results.values()).items()):
            if reason != "agreed":
                terminalreporter.write_line(f"{count:4} × {reason}")
