"""One figure of one peer, for benchmarks without concurrency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from .measurement import Span, span


class PeerFigure(NamedTuple):
    """The time or memory of one peer for one task. Times are seconds, memory is bytes."""

    benchmark: str
    what: str
    peer: str
    unit: Literal["s", "bytes"]
    figure: Span | None
    reason: str | None = None
    """Why there is no figure."""

    def as_data(self) -> dict[str, Any]:
        """Return the figure as JSON data."""
        return {**self._asdict(), "figure": self.figure and self.figure._asdict()}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> PeerFigure:
        """Return the figure for JSON data."""
        return cls(**{**data, "figure": data["figure"] and Span(**data["figure"])})


class PeerSamples:
    """The samples of one peer, until a round fails."""

    def __init__(self, reason: str | None) -> None:
        self.reason = reason
        self._values: list[float] = []

    def add(self, values: Sequence[float]) -> None:
        """Add the samples of one round."""
        self._values += values

    @property
    def least(self) -> float:
        """The smallest sample so far, or 0 if there is none."""
        return min(self._values, default=0.0)

    def compared(self, benchmark: str, what: str, peer: str, unit: Literal["s", "bytes"] = "s") -> PeerFigure:
        """Return the figure of all rounds."""
        figure = span(self._values) if self._values and self.reason is None else None
        return PeerFigure(benchmark, what, peer, unit, figure, self.reason)
