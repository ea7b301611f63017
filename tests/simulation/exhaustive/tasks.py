"""A task of a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

from .worlds import Kind


class Task:
    """A task of a run."""

    def __init__(self, number: int, kind: Kind, *, is_late: bool) -> None:
        self.name = f"{kind} {number}"
        self.number = number
        self.kind = kind
        self.is_late = is_late
        self.state: Literal["new", "calling", "inside block", "leaving block", "ended"] = "new"
        self.called_at = 0  # the step of its last call
        self.cancel: Callable[[], object] = lambda: None  # set by the event loop
        self.cancellations = 0
        self.min_ttl = 0.0  # seconds

    @property
    def is_cancelled(self) -> bool:
        """Whether an event has cancelled it."""
        return self.cancellations > 0

    @property
    def needs_refresh(self) -> bool:
        """Whether the refresh in progress, if there is one, must not be ended."""
        return self.state in {"calling", "inside block"} and not self.is_cancelled


Body: TypeAlias = Callable[[Task], Awaitable[None]]
