"""Event loops of the tests in this folder: all three, one, or two under virtual time.

Tests that wait for a network, a process or other tasks use all three; ``once`` is for all others.
"""

from __future__ import annotations

import pytest

REAL = {
    "asyncio": ("asyncio", {}),
    "asyncio+uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
VIRTUAL = "virtual "

once = pytest.mark.parametrize("anyio_backend", ["trio"], indirect=True)
virtual = pytest.mark.parametrize("anyio_backend", [f"{VIRTUAL}asyncio", f"{VIRTUAL}trio"], indirect=True)
