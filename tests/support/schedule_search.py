"""The option ``--replay TOKEN`` repeats one schedule; a summary of how many schedules were searched, per event loop.

A test that finds a schedule which breaks an invariant prints its token, such as ``asyncio:slow:dt1-cgAB``. With the
option only that schedule runs, in the same order and with the same events, and its history is printed.
"""

from __future__ import annotations

from collections import Counter

import pytest

SEARCHED = "searched schedules"  # the property of a test's report: loop, schedules, seconds


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("schedules")
    group.addoption("--replay", metavar="TOKEN", help="repeat the schedule of a token, and run nothing else")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    is_replay = config.option.replay is not None
    selected = [item for item in items if ("replay_token" in getattr(item, "fixturenames", ())) == is_replay]
    if len(selected) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(selected)])
        items[:] = selected


@pytest.fixture
def replay_token(request: pytest.FixtureRequest) -> str:
    """Return the token of the option. A test with this fixture runs only with the option, and then alone."""
    return str(request.config.option.replay)


class Searched:
    """Sums of what the tests have searched."""

    def __init__(self) -> None:
        self.schedules: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what a test has searched."""
        for name, value in report.user_properties if report.when == "call" else ():
            if name == SEARCHED:
                assert isinstance(value, tuple | list)
                loop, schedules, seconds = value
                self.schedules[loop] += schedules
                self.seconds[loop] += seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the sums."""
        for loop, schedules in sorted(self.schedules.items()):
            seconds = self.seconds[loop]
            terminalreporter.write_line(f"{loop}: {schedules:,} schedules in {seconds:.1f} s of processor time")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Searched(), "searched-schedules")
