"""The standard loggers ``anycreds.*``. No record may hold a secret.

``logging`` is imported when there is something to say: most programs that only need keys from the environment on trio
never load it. A handler or filter of the program's that raises must not keep credentials from anybody.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Literal


def log(part: str, level: Literal["debug", "info", "warning", "error"], message: str, *arguments: object) -> None:
    """Say something on the logger of a part of the library."""
    if level in ("debug", "info") and "logging" not in sys.modules:
        return  # nobody can have asked for it
    import logging

    with suppress(Exception):
        top = logging.getLogger("anycreds")
        if not top.handlers:  # a program that does not configure logging wants none, and Python would print warnings
            top.addHandler(logging.NullHandler())
        getattr(logging.getLogger(f"anycreds.{part}"), level)(message, *arguments)
