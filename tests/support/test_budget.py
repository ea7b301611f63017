"""The budget scales samples, chooses them by the seed only, and a failure says how to repeat it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.budget import EXAMPLES, SEED, Budget

CHANGE = Budget(1.0, SEED)
HERE = Path(__file__).parents[1]
INNER = """
import pytest
from hypothesis import given, settings, strategies as st

def test_ordinary():
    pass

def test_sample(budget):
    assert budget.count(10) == 25
    raise ValueError

@given(st.integers())
def test_hypothesis(number):
    assert settings.default.max_examples == 125

@pytest.mark.soak
def test_soak():
    pass
"""


def test_sample_has_both_ends_and_is_in_order() -> None:
    """A sample has the first and the last element, no element twice, and the order of all."""
    for length in range(2, 60):
        for count in (2, 3, 10, 40):
            sample = CHANGE.sample(range(length), count)
            assert len(sample) == min(count, length), (length, count)
            assert sample == sorted(set(sample)), (length, count)
            assert (sample[0], sample[-1]) == (0, length - 1), (length, count)


def test_large_budget_takes_everything() -> None:
    """With a large budget a sample is everything."""
    assert Budget(20.0, 5).sample(range(200), 10) == list(range(200))


def test_seed_chooses_the_sample() -> None:
    """A seed chooses the same sample each time, and another seed another one."""
    assert CHANGE.sample(range(1000), 20) == CHANGE.sample(range(1000), 20)
    assert CHANGE.sample(range(1000), 20) != Budget(1.0, SEED + 1).sample(range(1000), 20)
    assert CHANGE.random("a", 1).random() == CHANGE.random("a", 1).random() != CHANGE.random("a", 2).random()


def test_soak_runs_only_tests_that_draw(tmp_path: Path) -> None:
    """With a budget above 1 only tests that draw run, with as many examples, and a failure shows the options."""
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "pytest.ini").touch()
    options = ("--budget=2.5", "--seed=7", "-v", "-p", "support.budget", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert EXAMPLES * 2.5 == 125
    assert "random examples: --budget=2.5 --seed=7" in done.stdout
    assert "1 failed, 2 passed, 1 deselected" in done.stdout
    assert "pytest --budget=2.5 --seed=7 'test_inner.py::test_sample'" in done.stdout
