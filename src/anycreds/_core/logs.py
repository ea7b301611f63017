"""The standard loggers ``anycreds.*``. No record may hold a secret.

``logging`` is imported when there is something to say: most programs that only need keys from the environment on trio
never load it. A handler or filter of the program's that raises must not keep credentials from anybody.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from logging import Logger

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Listener: TypeAlias = Callable[[str, Level, str], None]
"""Is told the part of the library, the level, and what would be logged."""

# Who is told in the place of the loggers, the newest last.
_listeners: list[Listener] = []


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Let a command line that tells people all by itself be told what would be logged, while the ``with`` lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def log(part: str, level: Level, message: str, *arguments: object) -> None:
    """Say something on the logger of a part of the library."""
    if _listeners:
        with suppress(Exception):  # as where a logger cannot format it
            _listeners[-1](part, level, message % arguments)
        return
    if level in ("debug", "info") and "logging" not in sys.modules:
        return  # nobody can have asked for it
    with suppress(Exception):
        getattr(_logger(part), level)(message, *arguments)


@cache  # to find a logger takes as long as all else here, and a chain has a dozen things to say
def _logger(part: str) -> Logger:
    import logging

    top = logging.getLogger("anycreds")
    if not top.handlers:  # a program that does not configure logging wants none, and Python would print warnings
        top.addHandler(logging.NullHandler())
    return logging.getLogger(f"anycreds.{part}")
