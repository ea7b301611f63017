"""How many random examples the tests draw, and which: the options ``--budget`` and ``--seed``.

Without them each test draws the sample of a change, the same one in every run. With ``--budget=20`` it draws twenty
times as many, and only tests that draw anything run; ``nox -s soak`` does so with a random seed, which the header and
every failure show. A test takes the fixture ``budget``. A test of Hypothesis has its number of examples from the
profile, so it needs no ``@settings``. ``@pytest.mark.soak`` marks a test that the sample of a change omits.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from support.goals import goal_scale

T = TypeVar("T")

# Of each test of Hypothesis, for a change. It caught every planted fault that its default of 100 caught.
EXAMPLES = 50
# Of the sample of a change: with it the random schedules use every rule of the cache.
SEED = 1


class Budget(NamedTuple):
    """The size of all samples, as a multiple of that of a change, and the seed of their choice."""

    factor: float
    seed: int

    def __str__(self) -> str:
        return f"--budget={self.factor:g} --seed={self.seed}"

    def count(self, count: int) -> int:
        """Return how many examples to draw where a change draws ``count``."""
        return max(1, round(count * self.factor))

    def random(self, *key: object) -> random.Random:
        """Return a source of randomness for one use, which differs from that for another key."""
        return random.Random(f"{self.seed} {key}")

    def sample(self, everything: Sequence[T], count: int) -> list[T]:
        """Return the first, the last and evenly spread others, ``count`` for a change, in their order; or all."""
        length, count = len(everything), max(2, self.count(count))
        if count >= length:
            return list(everything)
        chance = self.random(length)
        ends = [1 + number * (length - 2) // (count - 2 or 1) for number in range(count - 1)]
        others = [everything[chance.randrange(start, end)] for start, end in itertools.pairwise(ends)]
        return [everything[0], *others, everything[-1]]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("random examples")
    group.addoption("--budget", type=float, default=1.0, help="how many times as many examples as for a change")
    group.addoption("--seed", type=int, default=SEED, help="which examples")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads its own option
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: needs a --budget above 1")
    given = _of(config)
    if given.factor <= 0:
        raise pytest.UsageError("--budget must be positive")
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = given.seed
    settings.register_profile(
        "budget",
        max_examples=given.count(EXAMPLES),
        derandomize=given.seed == SEED,  # a seed of its own for each test
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("budget")
    # Hypothesis also draws constants of all modules that happen to be imported: not the same ones in every run.
    pytest.MonkeyPatch().setattr(providers, "_get_local_constants", Constants)


def pytest_report_header(config: pytest.Config) -> str:
    return f"random examples: {_of(config)}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # With --goals all tests run, also with a larger budget.
    is_soak = _of(config).factor > 1 and not config.getoption("goals", None)
    selected = [item for item in items if (_draws(item) if is_soak else not item.get_closest_marker("soak"))]
    if len(selected) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(selected)])
        items[:] = selected


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _draws(item):
        report.sections.append(("repeat this failure", f"pytest {_of(item.config)} '{item.nodeid}'"))
    return report


@pytest.fixture
def budget(request: pytest.FixtureRequest) -> Budget:
    """Return the size of this run's samples and the seed of their choice."""
    given = _of(request.config)
    return given._replace(factor=given.factor * goal_scale(request.node, request.config))


def _of(config: pytest.Config) -> Budget:
    return Budget(config.option.budget, config.option.seed)


def _draws(item: Any) -> bool:
    """Return whether a test draws examples."""
    return (
        "budget" in getattr(item, "fixturenames", ())
        or item.get_closest_marker("soak") is not None
        or getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    )
