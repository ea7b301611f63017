"""One figure of one peer, for the benchmarks in which every peer does the same thing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from .measuring import Span, span


class Compared(NamedTuple):
    """What one peer took to do one thing. Times are seconds, memory is bytes."""

    benchmark: str
    what: str
    peer: str
    unit: Literal["s", "bytes"]
    figure: Span | None
    reason: str | None = None
    """Why there is no figure."""

    def as_data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self._asdict(), "figure": self.figure and self.figure._asdict()}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Compared:
        """Return what JSON was made of."""
        return cls(**{**data, "figure": data["figure"] and Span(**data["figure"])})


class Figures:
    """What the rounds of one peer bring, until one of them fails: then nothing is asked of it any more."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason
        self._values: list[float] = []

    def add(self, values: Sequence[float]) -> None:
        """Keep what one round brought."""
        self._values += values

    @property
    def least(self) -> float:
        """The least so far; 0: there is none."""
        return min(self._values, default=0.0)

    def compared(self, benchmark: str, what: str, peer: str, unit: Literal["s", "bytes"] = "s") -> Compared:
        """Return what all rounds come to."""
        figure = span(self._values) if self._values and self.reason is None else None
        return Compared(benchmark, what, peer, unit, figure, self.reason)
