"""Changes of a cache's state that interrupt another change in the same thread, and are made at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import RLock  # noqa: TID251 - as described below


class DeferredChanges:
    """The changes that could not be made, because their thread was in the middle of another one.

    A signal handler runs in the main thread, between any two steps of a change: a plain lock would wait for itself, and
    one that lets it in would show it half of a change. So would the garbage collector, which may end the refresh of a
    closed event loop at any time.
    """

    __slots__ = ("_changes", "_lock")

    def __init__(self, lock: RLock) -> None:
        self._changes: list[Callable[[], object]] = []
        self._lock = lock

    def add_if_interrupting(self, change: Callable[[], object]) -> bool:
        """Keep a change for later if this thread has the lock. Return whether it was kept."""
        is_interrupting: bool = self._lock._is_owned()  # type: ignore[attr-defined]  # `threading.Condition` asks too
        if is_interrupting:
            self._changes.append(change)
        return is_interrupting

    def run(self) -> None:
        """Make the changes that were kept. Called without the lock, whenever it was released."""
        if self._changes:
            for change in iter(self._take, None):
                change()

    def _take(self) -> Callable[[], object] | None:
        with self._lock:  # other threads do the same
            return self._changes.pop(0) if self._changes else None
