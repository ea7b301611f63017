"""Work that a cancellation lets come to its end, if that is near: its outcome cannot be had again."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar

import anyio

from .._core.errors import ProviderTimeoutError

T = TypeVar("T")

_LONGEST = 60.0  # seconds, as a flight has: what is done here has shorter ends of its own


async def shielded(work: Awaitable[T], seconds: float) -> T:
    """Return what ``work`` returns; see ``Io``."""
    shield = anyio.CancelScope(shield=True, deadline=anyio.current_time() + _LONGEST)
    outcome: T | _Raised = _Raised(ProviderTimeoutError(f"did not come to its end within {_LONGEST:.0f} s"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_limit, shield, seconds)
        with shield:
            outcome = await _outcome(work)
        tasks.cancel_scope.cancel()
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


class _Raised(NamedTuple):
    error: Exception


async def _outcome(work: Awaitable[T]) -> T | _Raised:
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - it passes unchanged, and not in a group
        return _Raised(error)


async def _limit(shield: anyio.CancelScope, seconds: float) -> None:
    try:
        await anyio.sleep(math.inf)
    finally:
        shield.deadline = min(shield.deadline, anyio.current_time() + seconds)
