"""The standard loggers ``anycreds.*``. No record contains a secret.

``logging`` is imported when the first record is written, since importing it takes milliseconds: most programs that only
need access keys from environment variables on trio never load it. Exceptions from a handler or filter of the program
are suppressed, so that they do not prevent a call from returning credentials.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from logging import Logger

Level: TypeAlias = Literal["debug", "info", "warning", "error"]


def log(component: str, level: Level, message: str, *arguments: object) -> None:
    """Write a record to the logger ``anycreds.<component>``, with ``%`` formatting."""
    if level in ("debug", "info") and "logging" not in sys.modules:
        return  # the program has not configured a level below WARNING
    with suppress(Exception):
        getattr(_logger(component), level)(message, *arguments)


@cache  # finding a logger takes as long as the rest of a log call, and a chain writes a dozen records
def _logger(component: str) -> Logger:
    import logging

    top = logging.getLogger("anycreds")
    if not top.handlers:  # else Python would print warnings in a program that does not configure logging
        top.addHandler(logging.NullHandler())
    return logging.getLogger(f"anycreds.{component}")
