"""A limit of the calls of services that are in progress at once, in each event loop."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .._core.errors import ProviderTimeoutError
from .deadlines import TimeLimit, pause_attempt
from .event_loop import current_loop

if TYPE_CHECKING:
    from types import TracebackType

    from anyio import CapacityLimiter

# Seconds. 10,000 calls of half a second, 20 at a time, take 250 s; a service that keeps a call waiting for longer is
# down, and the error says more than a wait without end.
MAX_WAIT = 300.0


class CallLimit:
    """At most so many calls at once, in each event loop. They wait in the order in which they come.

    A call is limited only while it is made, with its retries, and not while its provider waits for anything else. So
    each one that others wait for ends by its own timeouts, and a role whose source is limited too never waits for
    itself.
    """

    __slots__ = ("__weakref__", "_limiters", "_lock", "max_concurrency")

    def __init__(self, max_concurrency: int) -> None:
        self.max_concurrency = max_concurrency
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the limiters and the lock: their event loops and threads do not exist in a child process."""
        self._lock = Lock()
        self._limiters: WeakKeyDictionary[Any, CapacityLimiter] = WeakKeyDictionary()

    def __call__(self, name: str) -> CallSlot:
        """Return an ``async with`` around one call of the provider ``name``. Entering it waits."""
        import anyio

        loop = current_loop()
        with self._lock:
            limiter = self._limiters.get(loop)
            if limiter is None:
                limiter = self._limiters[loop] = anyio.CapacityLimiter(self.max_concurrency)
        return CallSlot(limiter, name)

    def count(self) -> tuple[int, int]:
        """Return how many calls are in progress, and how many wait, in all event loops."""
        with self._lock:
            limiters = [limiter.statistics() for limiter in self._limiters.values()]
        return sum(one.borrowed_tokens for one in limiters), sum(one.tasks_waiting for one in limiters)


class CallSlot:
    """The ``async with`` around one limited call."""

    __slots__ = ("_limiter", "_name")

    def __init__(self, limiter: CapacityLimiter, name: str) -> None:
        self._limiter = limiter
        self._name = name

    async def __aenter__(self) -> None:
        """Wait for the other calls, while the deadline of the attempt stands still.

        Raises:
            ProviderTimeoutError: Too many calls were in progress for too long.

        """
        import anyio

        try:
            self._limiter.acquire_on_behalf_of_nowait(self)
        except anyio.WouldBlock:
            if not await self._wait():
                raise ProviderTimeoutError(
                    f"waited {MAX_WAIT:g} s for one of {self._limiter.total_tokens} calls (max_concurrency) to end",
                    source=self._name,
                    hint="increase max_concurrency of the RoleCache, unless the service is down",
                ) from None

    async def _wait(self) -> bool:
        with pause_attempt(), TimeLimit(MAX_WAIT):
            await self._limiter.acquire_on_behalf_of(self)
            return True
        return False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limiter.release_on_behalf_of(self)
