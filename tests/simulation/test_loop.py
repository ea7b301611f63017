"""Deadlines that floats cannot represent exactly, under virtual time."""

from __future__ import annotations

import anyio
import pytest

from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget

pytestmark = pytest.mark.anyio


async def test_odd_deadlines_are_reached(budget: Budget) -> None:
    """No deadline falls between two readings of the clock, where asyncio would retry it forever."""
    chance = budget.random()
    for _ in range(budget.count(500)):
        await anyio.sleep(chance.uniform(0, 100))
        end = anyio.current_time() + chance.uniform(0, 100)
        with anyio.CancelScope(deadline=end):
            await anyio.sleep_forever()
        assert end <= anyio.current_time() <= end + 1e-9


async def test_deadlines_after_years_are_reached(budget: Budget) -> None:
    """Deadlines are reached after years too, when a float no longer holds the nanosecond by which asyncio compares."""
    chance = budget.random()
    for days in (100, 1000, 10_000):
        await anyio.sleep(days * 86_400)
        for _ in range(20):
            end = anyio.current_time() + chance.uniform(0, 100)
            with anyio.CancelScope(deadline=end):
                await anyio.sleep_forever()
            assert end <= anyio.current_time() <= end + 1e-6
