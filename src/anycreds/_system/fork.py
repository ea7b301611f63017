"""What is done before and after a fork: the child process has none of its parent's threads and event loops."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

# Seconds that a fork waits for the imports in progress. They take one second on a slow machine; and if the forking
# thread itself has what they wait for, the child process must be started nevertheless.
IMPORT_TIMEOUT = 5.0
_POLL_INTERVAL = 0.001  # seconds
# What holds locks while another thread runs: that of a module, or those of OpenSSL while a context is made.
_LOCKING_MODULES = ("importlib", "_frozen_importlib", "ssl")
_PACKAGE = __name__.partition(".")[0] + "."

# ``WeakMethod`` would print an error when the interpreter ends: it may be freed before the function that it refers to,
# whose callback then fails.
_resets: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def after_fork(owner: T, reset: Callable[[T], None]) -> None:
    """Call ``reset(owner)`` in every forked child process, for as long as the owner lives."""
    _resets[owner] = reset


def _reset_all() -> None:
    for owner, reset in list(_resets.items()):
        reset(owner)


def _wait_for_imports() -> None:
    """Wait until no other thread imports for us: in the child process its locks are never released."""
    end = time.monotonic() + IMPORT_TIMEOUT
    here = threading.get_ident()  # a fork by the thread that imports cannot wait for it
    while any(_imports_for_us(frame) for ident, frame in sys._current_frames().items() if ident != here):
        if time.monotonic() > end:
            break
        time.sleep(_POLL_INTERVAL)


def _imports_for_us(frame: FrameType | None) -> bool:
    """Return whether a thread is in an import, or in ``ssl``, for code of this package."""
    is_locking = False
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if is_locking and name.startswith(_PACKAGE):
            return True
        is_locking = is_locking or name.partition(".")[0] in _LOCKING_MODULES
        frame = frame.f_back
    return False


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_wait_for_imports, after_in_child=_reset_all)
