"""Visits every way in which a run can go: a depth-first search over its decisions, up to a number of deviations.

A run asks ``choose`` wherever it could go on in several ways. The answer 0 is what the event loop does by default. The
cost of a run is the number of its deviations from that: one per event, and one per task that another one overtakes
(delay-bounded search: Emmi, Qadeer and Rakamarić, POPL 2011). The answers alone repeat a run: they are its token.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from detangle import decode_token, encode_token


class Chooser(Protocol):
    """Answers the questions of a run.

    Attributes:
        diverged: Whether a run did not come to the decisions that were expected: something besides the decisions has an
            effect on it, or it is one of another version of the code.
    """

    diverged: bool

    def choose(self, alternatives: int, *, is_order: bool = False) -> int:
        """Return a number below ``alternatives``. ``is_order``: it is the number of tasks that are overtaken."""


class Choice(NamedTuple):
    """One decision of a run."""

    alternatives: int
    chosen: int
    is_order: bool

    def cost(self, chosen: int) -> int:
        """Return the number of deviations of an answer."""
        return chosen if self.is_order else min(chosen, 1)


class Search:
    """The decisions of one run after the other.

    Attributes:
        runs: How many runs have been started.
    """

    def __init__(self, bound: int) -> None:
        self.runs = 0
        self.diverged = False
        self._bound = bound
        self._planned: list[Choice] = []
        self._made: list[Choice] = []

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each run, before it starts."""
        planned: list[Choice] | None = []
        while planned is not None:
            self._planned, self._made = planned, []
            self.runs += 1
            yield self.runs
            planned = self._next()

    def choose(self, alternatives: int, *, is_order: bool = False) -> int:
        """Return which of the alternatives the run takes."""
        if alternatives <= 1:
            return 0
        chosen = 0
        if len(self._made) < len(self._planned):
            planned = self._planned[len(self._made)]
            chosen = min(planned.chosen, alternatives - 1)
            self.diverged = self.diverged or (planned.alternatives, planned.is_order) != (alternatives, is_order)
        self._made.append(Choice(alternatives, chosen, is_order))
        return chosen

    @property
    def token(self) -> str:
        """The answers of the current run, as a short text."""
        return encode_token([choice.chosen for choice in self._made])

    def _next(self) -> list[Choice] | None:
        """Return the decisions of the next run: the last one that can still be made differently, and those before."""
        costs = [0]
        for choice in self._made:
            costs.append(costs[-1] + choice.cost(choice.chosen))
        for index in range(len(self._made) - 1, -1, -1):
            choice = self._made[index]
            other = choice.chosen + 1
            if other < choice.alternatives and costs[index] + choice.cost(other) <= self._bound:
                return [*self._made[:index], choice._replace(chosen=other)]
        return None


class Repetition:
    """The decisions of one run, from its token."""

    def __init__(self, token: str) -> None:
        self.diverged = False
        self._answers = decode_token(token)[::-1]

    def choose(self, alternatives: int, *, is_order: bool = False) -> int:
        """Return which of the alternatives the run takes."""
        if alternatives <= 1:
            return 0
        answer = self._answers.pop() if self._answers else 0
        self.diverged = self.diverged or answer >= alternatives
        return min(answer, alternatives - 1)
