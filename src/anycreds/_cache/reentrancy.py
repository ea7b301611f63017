"""Finds refreshes that wait for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.errors import ReentrantProviderError

if TYPE_CHECKING:
    from .waiting import Refresh


def check_no_cycle(refresh: Refresh, waiter: Refresh) -> None:
    """Raise ``ReentrantProviderError`` if a refresh waits for the one that is going to wait for it."""
    if path := _find_path(refresh, waiter):
        names = " -> ".join(one.provider.name for one in (waiter, *path) if not one.is_remote)
        raise ReentrantProviderError(
            f"the provider awaits itself: {names}",
            source=refresh.provider.name,
            hint="give one of them another source",
        )


def _find_path(start: Refresh, goal: Refresh) -> tuple[Refresh, ...]:
    """Return refreshes from ``start`` to ``goal``, each of which waits for the next; () if there are none."""
    paths: list[tuple[Refresh, ...]] = [(start,)]
    seen: set[int] = set()
    while paths:
        path = paths.pop()
        if path[-1] is goal:
            return path
        if id(path[-1]) not in seen:
            seen.add(id(path[-1]))
            paths.extend((*path, following) for following in tuple(path[-1]._waits_for))
    return ()
