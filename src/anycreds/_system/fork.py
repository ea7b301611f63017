"""Functions that run in a forked child process, which has none of its parent's threads and event loops."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_resets: dict[WeakMethod[Callable[[], None]], None] = {}  # an ordered set, from which removing one is fast


def after_fork(reset: Callable[[], None]) -> None:
    """Call a bound method in every forked child process, for as long as its object lives."""
    _resets[WeakMethod(reset, _remove)] = None


def _remove(reference: WeakMethod[Callable[[], None]]) -> None:
    _resets.pop(reference, None)


def _reset_all() -> None:
    for reference in list(_resets):
        if (reset := reference()) is not None:
            reset()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_reset_all)
