"""The refreshes of one cache that are in progress, and which of them the callers of an event loop wait for.

**One for all.** A refresh is a task of one event loop run. From ``share`` to its end, the callers of all others wait
for it too: each other event loop has a ``RemoteRefresh`` of it. A refresh that is planned but not shared is seen by its
own event loop only: its caller first tries whether the source answers without waiting.

**No longer for all.** If its event loop ends, stops or does not answer, ``drop`` leaves the refresh to the callers of
its own event loop, and those of the others start another one. So a few may be in progress at the same time. That each
event loop has one at most, and that the newest response is used, does not depend on which of them is shared.

All methods but ``joinable``, ``is_planned`` and ``own`` are called under the lock of the state.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

from .outcome import ABANDONED
from .refresh import InFlightRefresh
from .refresh_results import FIRST_BACKOFF
from .remote_refresh import RemoteRefresh

if TYPE_CHECKING:
    from .refresh_windows import ClockReading
    from .state import CacheState
    from .waiting import Refresh


class Refreshes:
    """The refreshes of one cache that are in progress."""

    __slots__ = ("_joinable", "_own", "_shared", "_state", "last_call_ended")

    def __init__(self, state: CacheState) -> None:
        self._state = state
        self.last_call_ended: float = -math.inf  # monotonic
        self.reset()

    def reset(self) -> None:
        """Forget all refreshes."""
        self._own: dict[Hashable, InFlightRefresh] = {}
        self._joinable: dict[Hashable, Refresh] = {}
        self._shared: InFlightRefresh | None = None

    def joinable(self, loop: Hashable) -> Refresh | None:
        """Return the refresh that every caller of this loop without ``min_ttl`` waits for; None if it has to decide."""
        refresh = self._joinable.get(loop)
        return refresh if refresh is not None and refresh.has_started and refresh.is_running else None

    def is_planned(self, loop: Hashable) -> bool:
        """Return whether this event loop has a refresh, in progress or not yet started."""
        return loop in self._own

    def own(self, loop: Hashable) -> InFlightRefresh | None:
        """Return the refresh in progress of this event loop."""
        refresh = self._own.get(loop)
        # It has not started if its caller is loading what it needs, or was cancelled or interrupted before.
        return refresh if refresh is not None and refresh.has_started and refresh.is_running else None

    def find(self, loop: Hashable, *, prefer_own: bool = False) -> Refresh | None:
        """Return the refresh in progress that the callers of this event loop wait for."""
        shared = self._shared
        if (own := self.own(loop)) is not None:
            return own
        if shared is None or shared.loop == loop or not shared.is_running or shared.is_preferred < prefer_own:
            return None
        if not shared.is_going_on():
            self.drop(shared)
            return None
        self._own.pop(loop, None)
        remote = shared.remotes.get(loop)
        if remote is None:
            remote = shared.remotes[loop] = RemoteRefresh(self._state, shared, loop)
        return remote

    def plan(self, loop: Hashable, now: ClockReading, *, is_preferred: bool) -> InFlightRefresh:
        """Return a new refresh of this event loop, which its caller shares and starts."""
        for known in filter(self._state.runtime.is_loop_closed, tuple(self._own)):
            self.drop(self._own.pop(known))  # nothing in that loop will end it
        # ``now`` may be older than the end of the last call, which another thread has noted.
        delay = min(FIRST_BACKOFF, max(0.0, self.last_call_ended + FIRST_BACKOFF - now.monotonic))
        refresh = self._own[loop] = InFlightRefresh(self._state, loop, delay, is_preferred=is_preferred)
        return refresh

    def share(self, refresh: InFlightRefresh) -> bool:
        """Let all event loops wait for a refresh that is started next.

        Return False if its caller has to decide again: they wait for another one, or one has ended after the decision.
        """
        shared = self._shared
        is_free = (
            shared is None
            or not shared.is_running
            or shared.loop == refresh.loop
            or shared.is_preferred < refresh.is_preferred
        )
        if not is_free or self._own.get(refresh.loop) is not refresh:
            return False
        self._shared = refresh
        return True

    def join_all(self, refresh: Refresh) -> None:
        """Let every caller of its event loop without ``min_ttl`` wait for this refresh, until any refresh ends."""
        self._joinable = {**self._joinable, refresh.loop: refresh}

    def remove(self, refresh: InFlightRefresh) -> None:
        """Forget a refresh that has ended, and all that were planned before."""
        self._own = {loop: own for loop, own in self._own.items() if own.has_started and own is not refresh}
        if self._shared is refresh:
            self._shared = None
        self._joinable = {}

    def drop(self, refresh: InFlightRefresh) -> None:
        """Let the callers of other event loops wait for this refresh no longer. Its call may have been the last one."""
        self.last_call_ended = max(self.last_call_ended, refresh.started_at)
        if self._shared is refresh:
            self._shared = None
        refresh.wake_remotes(ABANDONED)
