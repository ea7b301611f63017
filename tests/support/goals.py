"""What the tests measured for each goal of reliability: the mark ``goal``, the fixture ``goal`` and ``--goals``.

``@pytest.mark.goal("G2")`` says that a test proves a goal, and inside it ``goal("G2", figure=..., budget=...)`` says
what it counted. ``--goals FILE.json`` writes the sums of all tests, on all workers; ``nox -s faults`` makes a table of
them. A goal has passed if a figure was recorded and each of its tests has run and passed: a skipped one counts as
failed.

With ``--goals`` also the tests run whose mark says ``long=True``, and the samples of a mark with ``scale=10`` are ten
times as large, so that the ordinary run stays short.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Count: TypeAlias = int | float
RecordGoal: TypeAlias = Callable[..., None]
_MARK, _FIGURE = "goal", "goal figure"  # names of the two properties of a test's report


@dataclass
class Measured:
    """What the tests have recorded for one goal, and how they ended."""

    tests: int = 0
    not_passed: dict[str, str] = field(default_factory=dict)
    counts: dict[tuple[str, str], dict[str, Count]] = field(default_factory=dict)

    def add(self, figure: str, budget: str, counts: Mapping[str, Count]) -> None:
        """Add what one test counted: whole numbers are summed, of other numbers the largest is kept."""
        sums = self.counts.setdefault((figure, budget), {})
        for name, value in counts.items():
            before = sums.get(name, 0)
            sums[name] = before + value if isinstance(value, int) else max(before, value)

    def as_json(self) -> dict[str, Any]:
        """Return what the file has about the goal."""
        figures = dict.fromkeys(_filled(figure, counts) for (figure, _), counts in self.counts.items())
        budgets = dict.fromkeys(_filled(budget, counts) for (_, budget), counts in self.counts.items())
        return {
            "figure": "; ".join(filter(None, figures)),
            "budget": "; ".join(filter(None, budgets)),
            "tests": self.tests,
            "not_passed": self.not_passed,
            "passed": bool(self.counts) and not self.not_passed,
        }


EVERY_TEST = "G18"  # the goal that no test leaves anything behind


class Goals:
    """Collects the reports of all tests, and writes the file at the end."""

    def __init__(self, file: Path) -> None:
        self.measured: dict[str, Measured] = {}
        self._file = file
        self._figures_seen: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase of a test ended. Each report has the properties of the earlier phases too."""
        properties = [value for name, value in report.user_properties if name == _FIGURE]
        seen = self._figures_seen.get(report.nodeid, 0)
        self._figures_seen[report.nodeid] = len(properties)
        for value in properties[seen:]:
            assert isinstance(value, dict)
            goal = self._of(value["goal"])
            goal.add(value["figure"], value["budget"], value["counts"])
            if not value["passed"]:
                goal.not_passed[report.nodeid] = "failed"
        if report.failed:  # the goal is about every test, and one that fails may not have come to its end
            self._of(EVERY_TEST).not_passed.setdefault(report.nodeid, "failed")
        for name, identifiers in report.user_properties:
            if name == _MARK:
                assert isinstance(identifiers, list)
                for identifier in identifiers:
                    self._note(self._of(identifier), report)

    def _note(self, goal: Measured, report: pytest.TestReport) -> None:
        goal.tests += report.when == "setup"
        if not report.passed or hasattr(report, "wasxfail"):
            goal.not_passed.setdefault(report.nodeid, report.outcome)

    def _of(self, identifier: str) -> Measured:
        return self.measured.setdefault(identifier, Measured())

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        text = json.dumps({name: goal.as_json() for name, goal in self.measured.items()}, indent=1)
        self._file.write_text(text)


class _Numbers(string.Formatter):
    """Writes whole numbers with commas, and others with three digits."""

    def format_field(self, value: Any, format_spec: str) -> str:
        default = "," if isinstance(value, int) else ".3g"
        return format(value, format_spec or default)


def _filled(template: str, counts: Mapping[str, Count]) -> str:
    return _Numbers().vformat(template, (), counts)


def marked_goals(item: pytest.Item) -> list[str]:
    """Return the goals that a test proves."""
    return sorted({str(name) for mark in item.iter_markers("goal") for name in mark.args})


def goal_scale(item: Any, config: pytest.Config) -> float:
    """Return how many times as large the samples of a test are in this run, besides ``--budget``."""
    if not config.getoption("goals", None):
        return 1.0
    return max((float(mark.kwargs.get("scale", 1.0)) for mark in item.iter_markers("goal")), default=1.0)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("goals")
    group.addoption("--goals", type=Path, help="run the long tests of goals too, and write the figures to this file")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "goal(*names, long=False, scale=1): proves goals; long: only with --goals, scale: of samples then"
    )
    if config.option.goals and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Goals(config.option.goals), "collected-goals")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.goals:
        for item in items:
            if names := marked_goals(item):
                item.user_properties.append((_MARK, names))
    else:
        long = {item for item in items if any(mark.kwargs.get("long") for mark in item.iter_markers("goal"))}
        if long:
            config.hook.pytest_deselected(items=list(long))
            items[:] = [item for item in items if item not in long]


def record_goal(
    item: pytest.Item, name: str, figure: str, budget: str, counts: Mapping[str, Count], *, passed: bool = True
) -> None:
    """Record what was counted for a goal. A test that does not have the mark of the goal says if it ``passed``."""
    if not item.config.getoption("goals", None):
        return
    values = {"goal": name, "figure": figure, "budget": budget, "counts": dict(counts), "passed": passed}
    item.user_properties.append((_FIGURE, values))


@pytest.fixture
def goal(request: pytest.FixtureRequest) -> RecordGoal:
    """Return a function that records what the test counted: ``goal("G2", "{calls} calls", "all", calls=7)``.

    Figure and budget are texts. The counts fill their braces, after those of all tests with the same text are summed
    (of numbers with a fraction, the largest counts). A test may call it before its assertions, and several times.
    """
    item = request.node

    def record(name: str, figure: str, budget: str = "", **counts: Count) -> None:
        if name not in marked_goals(item):
            raise ValueError(f"the test lacks the mark: @pytest.mark.goal({name!r})")
        _filled(figure, counts), _filled(budget, counts)  # a missing count fails here, with the test
        record_goal(item, name, figure, budget, counts)

    return record
