"""Starts the thread of the fake AWS, and prints how many cases agreed with another SDK, and why others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from conformance.peer import RESULTS


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """Return the event loop in a thread in which the fake AWS of every case runs."""
    with start_blocking_portal("asyncio", name="FakeAWS") as portal:
        yield portal


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
