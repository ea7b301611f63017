"""On which event loops a test of this folder runs: on all three, on one, or on two under virtual time.

Whatever waits for a network, a process or other tasks runs on all three. ``once`` is for what is decided before that.
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
