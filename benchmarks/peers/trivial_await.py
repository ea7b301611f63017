"""The floor of a hit: the await of an async method that returns what stands in an attribute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"trivial await on {loop}",
        worker=python_peer(__name__, loop),
        packages=(),
        missing=not_installed(loop),
        is_floor=True,
        plays=("hits",),
    )
    for loop in ("asyncio", "trio")
)


class Plain:
    """An object with one slot."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    async def method(self) -> str:
        """Return it."""
        return self.key


async def opened(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the way to ask."""
    del loop  # no loop takes part in an await that does not wait
    return Plain("AKIDEXAMPLE").method
