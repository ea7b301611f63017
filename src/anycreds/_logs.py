"""The standard loggers ``anycreds.*``. No record may hold a secret.

``logging`` is imported when there is something to say: most programs that only need keys from the environment on trio
never load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import Logger


def log(part: str) -> Logger:
    """Return the logger of a part of the library."""
    import logging

    return logging.getLogger(f"anycreds.{part}")
