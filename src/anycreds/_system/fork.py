"""What has to be forgotten in a process that was forked off: its threads and event loops are not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

# A dict for its keys, in their order: of many thousands one is soon removed.
_resets: dict[WeakMethod[Callable[[], None]], None] = {}


def after_fork(reset: Callable[[], None]) -> None:
    """Call a bound method in every child, for as long as its object lives."""
    _resets[WeakMethod(reset, _forget)] = None


def _forget(reference: WeakMethod[Callable[[], None]]) -> None:
    _resets.pop(reference, None)


def _reset_all() -> None:
    for reference in list(_resets):
        if (reset := reference()) is not None:
            reset()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_reset_all)
