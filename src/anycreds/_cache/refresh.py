"""One refresh in progress, shared by every caller that needs it.

**Ownership.** A refresh is a task of the event loop run (a trio system task, an asyncio task), not of a caller. A
caller only waits for an event, so cancelling a caller cancels that wait and nothing else. The attempt runs in a cancel
scope of the refresh, which only ``cancel`` uses, and within the deadline of one attempt.

**Outcome.** A refresh ends exactly once, in ``finish``: with credentials, with an error, or abandoned. ``finish`` is
called with the outcome of the attempt, and as abandoned wherever the task may end without one: its scope was cancelled,
the event loop run cancelled it, or it never got to its first step. The first call counts. It applies the outcome to the
state of the cache and then wakes all waiters, even if applying raises an exception: no caller waits forever.

**Waiters.** Each waiter reads the outcome after the event, and raises its own copy of an error. If the source raised
``KeyboardInterrupt`` or ``SystemExit``, the first waiter to run raises that, as if it had called the source itself.
Without a waiter the task returns it to the event loop run.

**Re-entrancy.** The task of a refresh sets itself as the start of its context's active calls, which every task started
below inherits. So a wait for another refresh shows which refresh needs it. Each refresh lists the refreshes that it
waits for; before an entry is added, a search through these lists shows whether the other one waits for this one.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import anyio

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, ReentrantProviderError, RetrievalError, strip_frames
from .._core.logs import watch
from .._core.provider import ActiveCall, active_calls, fetch_observed

if TYPE_CHECKING:
    from .state import CacheState

# Seconds for the cleanup of a cancelled attempt: closing sockets is local work.
CLEANUP_TIMEOUT = 2.0


class Outcome(NamedTuple):
    """How a refresh ended: with credentials, with an error, or with neither, which means abandoned."""

    credentials: Credentials | None = None
    error: CredentialsError | None = None


ABANDONED = Outcome()


class InFlightRefresh(ActiveCall):
    """One refresh in progress."""

    __slots__ = (
        "_done",
        "_pending_exit",
        "_scope",
        "_state",
        "_waiters",
        "_waits_for",
        "generation",
        "has_started",
        "loop",
        "outcome",
        "prompts_user",
        "started_at",
    )

    def __init__(self, state: CacheState, loop: Hashable) -> None:
        super().__init__(state.source)
        self.loop: Hashable = loop
        self.has_started: bool = False  # whether its task was created
        self.outcome: Outcome | None = None  # None while it is in progress
        self.generation: int = -1  # the number of invalidations before the source was called
        self.started_at: float = 0.0  # when the source was called (monotonic)
        self.prompts_user: bool = False
        self._state = state
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self._pending_exit: BaseException | None = None
        self._waiters = 0
        self._waits_for: list[InFlightRefresh] = []

    def start(self, delay: float) -> None:
        """Start the task, whose attempt begins after ``delay`` seconds. If that fails, the refresh is abandoned."""
        try:
            name = f"anycreds refresh: {self.provider.name}"
            self._state.runtime.spawn_system_task(partial(self.run, delay), self.finish, name, copy_context())
            self.has_started = True
        except BaseException:
            self.finish()
            raise

    async def run(self, delay: float) -> BaseException | None:
        """Make the attempt after ``delay`` seconds, and finish.

        Returns:
            A ``SystemExit`` or ``KeyboardInterrupt`` raised by the source if no caller is left to receive it.

        """
        self.has_started = True
        active_calls.set((self,))  # the calls of the caller that started this refresh do not wait for it
        try:
            self.finish(await self._outcome_of_attempt(delay))
        finally:
            self.finish()
        return None if self._waiters else self._pending_exit

    async def _outcome_of_attempt(self, delay: float) -> Outcome:
        try:
            with self._scope:
                if delay > 0:
                    await anyio.sleep(delay)
                return Outcome(credentials=await self._attempt())
        except BaseException as error:
            # Waiters, observers and the state keep the error; frames of the attempt may hold secrets.
            strip_frames(error)
            if isinstance(error, CredentialsError):
                return Outcome(error=error)
            self._pending_exit = _process_exit_in(error)
            if self._pending_exit is None and _is_cancellation(error):
                raise
            return Outcome(error=_wrapped(self.provider.name, error))
        return ABANDONED  # ``cancel`` was called

    async def _attempt(self) -> Credentials:
        state = self._state
        self.generation = state.generation
        self.started_at = state.runtime.monotonic()
        watch(state.options.observer)
        async with state.runtime.open_io(self.provider.name) as io:
            credentials = await fetch_observed(self.provider, io, state.context)
            self.prompts_user = io.prompts_user
            return credentials

    def finish(self, outcome: Outcome = ABANDONED) -> None:
        """End the refresh: apply the outcome to the state, and wake all waiters. Only the first call has an effect."""
        if not self.is_running:
            return
        try:
            outcome = self._state.apply_outcome(self, outcome)
        except Exception as error:  # noqa: BLE001 - such as an error of the user's clock
            strip_frames(error)
            outcome = Outcome(error=_wrapped(self.provider.name, error))
        self.outcome = outcome
        self.is_running: bool = False  # after an interrupt above, the next call ends the refresh
        with suppress(RuntimeError):  # the loop was closed with this task in it, so there are no waiters to wake
            self._done.set()

    async def wait(self, max_wait: float) -> Outcome | None:
        """Wait for the outcome.

        Args:
            max_wait: Seconds; may be infinite.

        Returns:
            The outcome; None if the refresh takes longer than ``max_wait``.

        Raises:
            ReentrantProviderError: This refresh waits for the one that the caller is a part of.

        """
        waiting_refresh = self._register_waiter()
        self._waiters += 1
        try:
            if max_wait == math.inf:  # ten thousand callers may wait here, and a scope takes memory
                await self._done.wait()
            else:
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

    async def cancel(self) -> None:
        """Cancel the attempt, and wait until its cleanup is done."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEANUP_TIMEOUT):
            await self._done.wait()

    def _register_waiter(self) -> InFlightRefresh | None:
        """Return the refresh that the calling code is a part of, after noting that it waits for this one."""
        calls = active_calls.get()
        waiter = calls[0] if calls else None
        if not isinstance(waiter, InFlightRefresh) or not waiter.is_running:
            return None  # a refresh that has ended does not wait, though tasks that it started may
        if path := _find_path(self, waiter):
            names = " -> ".join(refresh.provider.name for refresh in (waiter, *path))
            raise ReentrantProviderError(
                f"the provider awaits itself: {names}",
                source=self.provider.name,
                hint="give one of them another source",
            )
        waiter._waits_for.append(self)
        return waiter


def _find_path(start: InFlightRefresh, goal: InFlightRefresh) -> tuple[InFlightRefresh, ...]:
    """Return refreshes from ``start`` to ``goal``, each of which waits for the next; () if there are none."""
    paths: list[tuple[InFlightRefresh, ...]] = [(start,)]
    seen: set[int] = set()
    while paths:
        path = paths.pop()
        if path[-1] is goal:
            return path
        if id(path[-1]) not in seen:
            seen.add(id(path[-1]))
            paths.extend((*path, following) for following in path[-1]._waits_for)
    return ()


def _wrapped(name: str, error: BaseException) -> RetrievalError:
    wrapped = RetrievalError(f"failed with {type(error).__name__}", source=name, hint="see the cause of this error")
    return wrapped._keep_cause(error)


def _is_cancellation(error: BaseException) -> bool:
    """Return whether an exception is, or a group contains, the cancellation of the task."""
    if isinstance(error, GeneratorExit):  # raised by a source, or by a closed loop, in which no backend is current
        return False
    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(cancelled) is not None
    return isinstance(error, cancelled)


def _process_exit_in(error: BaseException) -> BaseException | None:
    """Return the ``KeyboardInterrupt`` or ``SystemExit`` that an exception is, or that a group contains."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := _process_exit_in(part))), None)
    return None
