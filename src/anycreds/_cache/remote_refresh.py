"""The refresh of another event loop, as the callers of this one see it.

It has an event of this event loop, which the end of the refresh sets from the other one. While a caller waits, a timer
of this event loop checks twice a second that the other one goes on. If that has ended, or does not answer, the refresh
counts as abandoned for all other event loops, and one of their callers starts a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from .outcome import ABANDONED, Outcome
from .waiting import Refresh

if TYPE_CHECKING:
    from .refresh import InFlightRefresh
    from .state import CacheState

# Seconds between two checks whether the other event loop goes on.
CHECK_INTERVAL = 0.5


class RemoteRefresh(Refresh):
    """The refresh of another event loop, for the callers of one.

    Args:
        state: The state of the cache.
        origin: The refresh.
        loop: The event loop of the callers.

    """

    __slots__ = ("_cancel_check", "_origin", "_state")

    def __init__(self, state: CacheState, origin: InFlightRefresh, loop: Hashable) -> None:
        super().__init__(origin.provider, loop)
        self.is_remote = True
        self.has_started = True
        self._state = state
        self._origin = origin
        self._waits_for.append(origin)
        self._cancel_check: Callable[[], object] | None = None

    async def wait(self, max_wait: float) -> Outcome | None:
        """Wait for the outcome; see ``Refresh``. It is abandoned too if the other event loop does not go on."""
        runtime = self._state.runtime
        if self.is_running:
            await runtime.preload()
            if self._done is None:
                import anyio

                self._done = anyio.Event()
            if self._cancel_check is None:
                self._cancel_check = runtime.call_later(CHECK_INTERVAL, self._check)
        return self.outcome if self.outcome is not None else await super().wait(max_wait)

    def finish(self, outcome: Outcome) -> None:
        """Wake all waiters. Any thread may call this, under the lock of the state or not."""
        if self.is_running:
            self.outcome = outcome
            self.is_running = False
            self._state.runtime.call_soon(self.loop, self._wake)

    def _wake(self) -> None:
        if self._cancel_check is not None:
            self._cancel_check()
        if self._done is not None:
            self._done.set()

    def _check(self) -> None:
        self._cancel_check = None
        if not self.is_running or not self.is_awaited:
            return
        if not self._origin.is_running:  # it ended at the moment at which this event loop joined it
            self.finish(self._origin.outcome or ABANDONED)
        elif _goes_on(self._origin):
            self._cancel_check = self._state.runtime.call_later(CHECK_INTERVAL, self._check)
        else:
            self._state.drop_refresh(self._origin)
            self.finish(ABANDONED)  # in case it joined after another one had dropped it


def _goes_on(origin: InFlightRefresh) -> bool:
    try:
        return origin.is_going_on()
    except Exception:  # noqa: BLE001 - such as an error of the user's clock
        return False
