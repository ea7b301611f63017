"""Deadlines that floats cannot represent exactly, under virtual time."""

from __future__ import annotations

import random

import anyio
import pytest

from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

pytestmark = pytest.mark.anyio


async def test_odd_deadlines_are_reached() -> None:
    """No deadline falls between two readings of the clock, where asyncio would retry it forever."""
    chance = random.Random(1)
    for _ in range(2000):
        await anyio.sleep(chance.uniform(0, 100))
        end = anyio.current_time() + chance.uniform(0, 100)
        with anyio.CancelScope(deadline=end):
            await anyio.sleep_forever()
        assert end <= anyio.current_time() <= end + 1e-9
