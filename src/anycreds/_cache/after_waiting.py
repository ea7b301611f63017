"""What a caller gets when the refresh that it waited for has ended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .outcome import ABANDONED, Outcome, nothing_came
from .refresh_windows import schedule

if TYPE_CHECKING:
    from .._core.credentials import Credentials
    from .state import CacheState

# How many refreshes in a row may be abandoned while one caller waits, before the caller gets an error.
MAX_ABANDONED_REFRESHES = 3
# How many refreshes of other event loops may be abandoned while one caller waits, before it starts one in its own.
MAX_LOST_REFRESHES = 3


def result_after(
    state: CacheState, outcome: Outcome, min_ttl: float | None, *, is_repeated: bool
) -> Credentials | None:
    """Return what a caller gets after the refresh that it waited for; None if it has to decide again.

    ``is_repeated``: it waited for another one before, so the source was called after its own call. It then gets what
    the source returned, even if other callers have invalidated that, or other credentials, meanwhile.
    """
    if outcome is ABANDONED or (outcome.is_void and not is_repeated):
        return None
    cached, now = state.snapshot.cached, state.now
    found, remaining = (None, -math.inf) if cached is None else (cached.credentials, cached.remaining(now))
    if remaining <= 0 and outcome.credentials is not None and is_repeated:
        found, remaining = outcome.credentials, schedule(outcome.credentials, now, 0.0).remaining(now)
    if outcome.error is not None and (remaining <= 0 or remaining < (min_ttl or 0)):
        raise outcome.error._copy()
    if remaining <= 0:
        return None
    if min_ttl is not None and remaining < min_ttl:
        state.reject_min_ttl(now, remaining, min_ttl)
    return found


def result_after_abandoned(state: CacheState, min_ttl: float | None) -> Credentials:
    """Return what a caller gets after the last abandoned refresh that it waits for."""
    cached = state.snapshot.cached
    if min_ttl is None and cached is not None and cached.remaining(state.now) > 0:
        return cached.credentials
    raise nothing_came(state.source.name, MAX_ABANDONED_REFRESHES)
