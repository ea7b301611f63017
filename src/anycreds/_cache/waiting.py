"""Waiting for a refresh: what the callers of one event loop share.

**Waiters.** Each waiter reads the outcome after the event, and raises its own copy of an error. If the source raised
``KeyboardInterrupt`` or ``SystemExit``, the first waiter to run raises that, as if it had called the source itself.

**Re-entrancy.** The task of a refresh sets itself as the start of its context's active calls, which every task started
below inherits. So a wait for another refresh shows which refresh needs it. Each refresh lists the refreshes that it
waits for; after an entry is added, a search through these lists shows whether the other one waits for this one. The
entry comes first: of two threads that close a circle at the same moment, at least the later one then sees it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

from .._core.provider import ActiveCall, Provider, active_calls
from .outcome import Outcome

if TYPE_CHECKING:
    from anyio import Event


class Refresh(ActiveCall):
    """A refresh, as the callers of one event loop wait for it."""

    __slots__ = (
        "_done",
        "_pending_exit",
        "_waiters",
        "_waits_for",
        "has_started",
        "is_remote",
        "is_withdrawn",
        "loop",
        "outcome",
    )

    def __init__(self, provider: Provider, loop: Hashable) -> None:
        super().__init__(provider)
        self.loop: Hashable = loop  # the event loop of the callers
        self.is_remote: bool = False  # whether another event loop makes the attempt
        self.has_started: bool = False  # whether its task was created
        self.is_withdrawn: bool = False  # whether ``withdraw`` has cancelled it
        self.outcome: Outcome | None = None  # None while it is in progress
        self._done: Event | None = None  # made before the first wait, since it needs a backend of anyio
        self._pending_exit: BaseException | None = None
        self._waiters = 0
        self._waits_for: list[Refresh] = []

    @property
    def is_awaited(self) -> bool:
        """Whether a caller waits for it."""
        return self._waiters > 0

    async def wait(self, max_wait: float) -> Outcome | None:
        """Wait for the outcome, for at most ``max_wait`` seconds, which may be infinite; return None after them.

        Raises:
            ReentrantProviderError: This refresh waits for the one that the caller is a part of.

        """
        if self._done is None:
            return self.outcome  # it has ended without a task
        waiting_refresh = _current_refresh()
        self._waiters += 1
        try:
            if waiting_refresh is not None:
                self._note_waiting(waiting_refresh)
            if max_wait == math.inf:  # ten thousand callers may wait here, and a scope takes memory
                await self._done.wait()
            else:
                import anyio

                with anyio.move_on_after(max_wait):
                    await self._done.wait()
        finally:
            self._waiters -= 1
            if waiting_refresh is not None:
                waiting_refresh._waits_for.remove(self)
        if self._pending_exit is not None:
            process_exit, self._pending_exit = self._pending_exit, None
            raise process_exit
        return self.outcome

    def _note_waiting(self, waiting: Refresh) -> None:
        from .reentrancy import check_no_cycle

        waiting._waits_for.append(self)
        check_no_cycle(self, waiting)


def _current_refresh() -> Refresh | None:
    """Return the refresh that the calling code is a part of."""
    calls = active_calls.get()
    refresh = calls[0] if calls else None
    # One that has ended does not wait, though tasks that it started may.
    return refresh if isinstance(refresh, Refresh) and refresh.is_running else None
