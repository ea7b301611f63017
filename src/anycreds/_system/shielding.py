"""Work that is finished in spite of a cancellation, within a limit, because its result cannot be had again."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import TypeVar

import anyio

from .._core.errors import ProviderTimeoutError

T = TypeVar("T")

_TIMEOUT = 60.0  # seconds, as an attempt has: what is done here has shorter limits of its own


async def shielded(work: Awaitable[T], seconds: float) -> T:
    """Return what ``work`` returns. If the caller is cancelled, ``work`` has this many seconds left; see ``Io``."""
    shield = anyio.CancelScope(shield=True, deadline=anyio.current_time() + _TIMEOUT)
    failure: Exception = ProviderTimeoutError(f"did not complete within {_TIMEOUT:.0f} s")
    results: list[T] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_limit, shield, seconds)
        with shield:
            try:
                results.append(await work)
            except Exception as error:  # noqa: BLE001 - the task group would wrap it in an ExceptionGroup
                failure = error
        tasks.cancel_scope.cancel()
    if results:
        return results[0]
    raise failure


async def _limit(shield: anyio.CancelScope, seconds: float) -> None:
    """Wait until the caller is cancelled, and then limit the shield."""
    try:
        await anyio.sleep(math.inf)
    finally:
        shield.deadline = min(shield.deadline, anyio.current_time() + seconds)
