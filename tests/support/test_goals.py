"""The figures of goals are summed over all tests and workers, and a goal passes only if all its tests have passed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import goal_report
from support.goal_report import GOALS

HERE = Path(__file__).parents[1]
INNER = """
import pytest

@pytest.mark.goal("G1")
@pytest.mark.parametrize("number", [1, 1200])
def test_counts(goal, number):
    goal("G1", "{calls} calls, at most {worst} s", "{calls} of 2,000", calls=number, worst=number / 2)

@pytest.mark.goal("G2")
def test_fails_after_its_figure(goal):
    goal("G2", figure="half of it")
    raise ValueError

@pytest.mark.goal("G3")
def test_passes(goal):
    goal("G3", figure="all")

@pytest.mark.goal("G3")
def test_skipped():
    pytest.skip("no such system")

@pytest.mark.goal("G4")
def test_without_figure():
    pass

@pytest.mark.goal("G5", long=True, scale=3)
def test_long(goal, budget):
    goal("G5", "{examples} examples", examples=budget.count(100))

@pytest.mark.goal("G6")
def test_of_another_goal(goal):
    goal("G7", "a figure without a mark")
"""


def run(folder: Path, *options: str) -> str:
    (folder / "test_inner.py").write_text(INNER)
    (folder / "pytest.ini").touch()
    plugins = ("-p", "support.goals", "-p", "support.budget", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_figures_of_all_tests_are_summed(tmp_path: Path, workers: str) -> None:
    """A goal has passed if a figure was recorded and all its tests passed, whichever worker ran them; G18 needs all."""
    output = run(tmp_path, "--goals=goals.json", "-n", workers)
    assert "2 failed, 5 passed, 1 skipped" in output
    goals: dict[str, dict[str, Any]] = json.loads((tmp_path / "goals.json").read_text())
    assert goals["G1"] == {
        "figure": "1,201 calls, at most 600 s",
        "budget": "1,201 of 2,000",
        "tests": 2,
        "not_passed": {},
        "passed": True,
    }
    assert {name for name, goal in goals.items() if goal["passed"]} == {"G1", "G5"}
    assert goals["G2"]["not_passed"] == {"test_inner.py::test_fails_after_its_figure": "failed"}
    assert goals["G3"]["not_passed"] == {"test_inner.py::test_skipped": "skipped"}
    assert (goals["G4"]["figure"], goals["G5"]["figure"]) == ("", "300 examples")
    failed = {f"test_inner.py::{name}" for name in ("test_fails_after_its_figure", "test_of_another_goal")}
    assert set(goals["G18"]["not_passed"]) == failed


def test_long_tests_run_only_for_goals(tmp_path: Path) -> None:
    """Without ``--goals`` the long tests are left out, and no file is written."""
    assert "1 deselected" in run(tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_published_table_is_that_of_the_command() -> None:
    """The table in the documentation has every goal, and was written by the command."""
    page = goal_report.PAGE.read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in page.splitlines() if line.startswith("| G")]
    published: dict[str, Any] = {
        name: {"figure": figure, "budget": budget, "passed": word == "passed", "tests": 0, "not_passed": {}}
        for name, _, figure, budget, word, _ in rows
    }
    assert list(published) == list(GOALS)
    assert goal_report.page_with(page, published) == page


def test_missing_goal_fails() -> None:
    """The command fails if one goal is missing or has failed, and shows what did not pass."""
    good = {"figure": "1 | 2", "budget": "all", "tests": 1, "not_passed": {}, "passed": True}
    results = dict.fromkeys(GOALS, good)
    assert goal_report.has_passed(results)
    assert r"| 1 \| 2 | all | passed |" in goal_report.table(results)
    assert not goal_report.has_passed({name: good for name in GOALS if name != "G3"})
    failed = {**good, "not_passed": {"test_x": "skipped"}, "passed": False}
    assert not goal_report.has_passed({**results, "G20": failed})
    lines = list(goal_report.lines({**results, "G20": failed}))
    assert len(lines) == len(GOALS) + 1
    assert "      skipped: test_x" in lines


def test_every_goal_has_a_test() -> None:
    """The names in the marks of tests are those of goals."""
    marks = re.compile(r"mark\.goal\(((?:\"G\d+\"(?:, )?)+)")
    files = [path for path in HERE.rglob("test_*.py") if path.name != Path(__file__).name]
    named = {name for path in files for names in marks.findall(path.read_text()) for name in re.findall(r"G\d+", names)}
    assert named <= set(GOALS)
