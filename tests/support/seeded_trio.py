"""trio without chance: it runs the tasks of a batch in an order that follows from a seed.

trio reverses every other batch at random, so that no program relies on the order. Besides, the waiters of an event are
a set, whose order differs from run to run. A flag for Hypothesis sorts each batch before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio._core._run as trio_run


@contextmanager
def seeded_trio(seed: int) -> Iterator[None]:
    """Let trio runs inside this ``with`` repeat what other runs with the same seed do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr(trio_run, "_r", random.Random(seed))
        yield
