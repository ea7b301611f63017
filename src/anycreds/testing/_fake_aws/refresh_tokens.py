"""Refresh tokens: each is good once, and the next comes in exchange for it. What comes a second time is counted."""

from __future__ import annotations

from .state import Refresh, World


def look_up(world: World, client_id: str, refresh_token: str) -> Refresh | None:
    """Return what is known of a client's refresh token that is good; None: it is not, and counts if it was once."""
    known = world.memory.refreshes.get(refresh_token)
    if known is None or known.client_id != client_id:
        return None
    if known.was_used:
        world.reused_refresh_tokens += 1
        return None
    return known


def spend(world: World, client_id: str, refresh_token: str, *, once: bool = True) -> Refresh | None:
    """Use a client's refresh token up (or only look it up, if not ``once``); None: it is not good."""
    known = look_up(world, client_id, refresh_token)
    if known is not None and once:
        world.memory.refreshes[refresh_token] = known._replace(was_used=True)
    return known


def trade(world: World, spent: Refresh, what: str) -> str:
    """Return a new refresh token for one that was used up."""
    fresh = world.memory.plant(what)
    world.memory.refreshes[fresh] = spent
    return fresh
