"""Stop a ``credential_process`` that runs anycreds, which runs the same command again, and so on without end.

Each process passes its depth to the commands that it runs, in an environment variable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from .. import ProfileLoopError

VARIABLE = "_ANYCREDS_DEPTH"
# A profile may run anycreds for another profile, and that one for a third. No configuration needs more.
MAX_DEPTH = 4


@contextmanager
def recursion_guard() -> Iterator[None]:
    """Pass the depth to commands that are run in the ``with``. Raises ``ProfileLoopError`` if it is too deep."""
    before = os.environ.get(VARIABLE)
    depth = int(before) if before is not None and before.isdecimal() else 0
    if depth >= MAX_DEPTH:
        raise ProfileLoopError(
            f"profile loop: credential_process commands have run anycreds {depth} times inside each other",
            hint="let no credential_process run anycreds for its own profile, or for one that leads back to it",
        )
    os.environ[VARIABLE] = str(depth + 1)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
