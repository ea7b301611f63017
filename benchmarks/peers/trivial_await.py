"""The baseline of a cache hit: the await of an async method that returns an attribute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from . import Peer, not_installed, python_peer

PEERS = tuple(
    Peer(
        name=f"trivial await on {loop}",
        worker=python_peer(__name__, loop),
        packages=(),
        missing=not_installed(loop),
        is_baseline=True,
        benchmarks=("hits",),
    )
    for loop in ("asyncio", "trio")
)


class PlainMethod:
    """An object with one attribute."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    async def method(self) -> str:
        """Return the attribute."""
        return self.key


async def setup(loop: str) -> Callable[[], Awaitable[str]]:
    """Return the trivial async method."""
    del loop  # this await does not involve the event loop
    return PlainMethod("AKIDEXAMPLE").method
