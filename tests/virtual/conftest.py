"""Under virtual time files are read at once, not in a thread: while that works every task waits, and time jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from anycreds._system import files

T = TypeVar("T")


async def _at_once(function: Callable[..., T], *arguments: object) -> T:
    return function(*arguments)


@pytest.fixture(autouse=True)
def without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files without a thread. Those of a test are small and near."""
    monkeypatch.setattr(files, "work", _at_once)
