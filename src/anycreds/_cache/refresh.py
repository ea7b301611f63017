"""One refresh in progress, shared by every caller that needs it.

**Ownership.** A refresh is a task of the event loop run (a trio system task, an asyncio task), not of a caller. A
caller only waits for an event, so cancelling a caller cancels that wait and nothing else. The attempt has a
deadline, and only ``cancel`` and ``withdraw`` end it before.

**Outcome.** A refresh ends exactly once, in ``finish``: with credentials, with an error, or abandoned. ``finish`` is
called with the outcome of the attempt, and as abandoned wherever the task may end without one: its scope or the event
loop run cancelled it, or it had no first step. The first call counts. It applies the outcome to the state of the cache
and then wakes all waiters, even if applying raises an exception: no caller waits forever.

**Without a task.** ``finish_now`` makes the attempt in the task of the caller, if the source answers without waiting.
Then the refresh begins and ends within one plain call, so that no other caller of the event loop ever joins it.

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
from typing import TYPE_CHECKING

from .._core.attempts import answer_now, fetch_now_observed, fetch_observed
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, strip_frames
from .._core.logs import watch
from .._core.provider import ActiveCall, active_calls
from .outcome import ABANDONED, Outcome, is_cancellation, process_exit_in, wrapped

if TYPE_CHECKING:
    from anyio import Event

    from .._core.io import OpenAttempt
    from .state import CacheState

# Seconds for the cleanup of a cancelled attempt: closing sockets is local work.
CLEANUP_TIMEOUT = 2.0


class InFlightRefresh(ActiveCall):
    """One refresh in progress."""

    __slots__ = (
        "_attempt",
        "_done",
        "_pending_exit",
        "_state",
        "_waiters",
        "_waits_for",
        "generation",
        "has_called",
        "has_started",
        "is_withdrawn",
        "loop",
        "number",
        "outcome",
        "prompts_user",
        "started_at",
    )

    def __init__(self, state: CacheState, loop: Hashable) -> None:
        super().__init__(state.source)
        self.loop: Hashable = loop
        self.has_started: bool = False  # whether its task was created
        self.has_called: bool = False  # whether its task has called the source
        self.is_withdrawn: bool = False  # whether ``withdraw`` has cancelled it
        self.outcome: Outcome | None = None  # None while it is in progress
        self.generation: int = -1  # the number of invalidations before the source was called
        self.number: int = 0  # of the attempt, in the order in which all refreshes called the source
        self.started_at: float = -math.inf  # when the source was called (monotonic)
        self.prompts_user: bool = False
        self._state = state
        # Made when the task is, since they need a backend of anyio.
        self._done: Event | None = None
        self._attempt: OpenAttempt | None = None
        self._pending_exit: BaseException | None = None
        self._waiters = 0
        self._waits_for: list[InFlightRefresh] = []

    def finish_now(self) -> bool:
        """Make the attempt and finish, in the caller's task, if that waits for nothing; else return False."""
        try:
            credentials = copy_context().run(self._attempt_now)
        except Exception as error:  # noqa: BLE001 - the caller gets an error in its place
            outcome = self._outcome_of(error)
        except BaseException as interrupt:
            strip_frames(interrupt)
            self.finish()  # the next caller begins another refresh
            raise
        else:
            if credentials is None:
                return False
            outcome = Outcome(credentials=credentials)
        try:
            self.finish(outcome)
        finally:
            self.finish()
        return True

    def _attempt_now(self) -> Credentials | None:
        state = self._begin_attempt()
        return answer_now(partial(fetch_now_observed, self.provider), state.runtime, state.context)

    def start(self, delay: float) -> None:
        """Start the task, whose attempt begins after ``delay`` seconds. If that fails, the refresh is abandoned."""
        import anyio

        runtime = self._state.runtime
        self._done, self._attempt = anyio.Event(), runtime.open_io(self.provider.name)
        try:
            name = f"anycreds refresh: {self.provider.name}"
            runtime.spawn_system_task(partial(self.run, delay), self.finish, name, copy_context())
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
        assert self._attempt is not None
        outcome = ABANDONED  # if ``cancel`` is called
        try:
            async with self._attempt as io:
                if delay > 0:
                    with self._state.runtime.pause_attempt():
                        await io.sleep(delay)
                state = self._begin_attempt()
                self.has_called = True
                io.unwanted = state.unwanted()
                credentials = await fetch_observed(self.provider, io, state.context)
                self.prompts_user = io.prompts_user
                outcome = Outcome(credentials=credentials)
        except BaseException as error:
            outcome = self._outcome_of(error)
            if self._pending_exit is None and is_cancellation(error):
                raise
        return outcome

    def _outcome_of(self, error: BaseException) -> Outcome:
        # Waiters, observers and the state keep the error; frames of the attempt may hold secrets.
        strip_frames(error)
        if isinstance(error, CredentialsError):
            return Outcome(error=error)
        self._pending_exit = process_exit_in(error)
        return Outcome(error=wrapped(self.provider.name, error))

    def _begin_attempt(self) -> CacheState:
        state = self._state
        self.generation = state.generation
        self.number = next(state.attempt_numbers)
        self.started_at = state.runtime.monotonic()
        watch(state.options.observer)
        return state

    def finish(self, outcome: Outcome = ABANDONED) -> None:
        """End the refresh: apply the outcome to the state, and wake all waiters. Only the first call has an effect."""
        if not self.is_running:
            return
        try:
            outcome = self._state.apply_outcome(self, outcome)
        except Exception as error:  # noqa: BLE001 - such as an error of the user's clock
            strip_frames(error)
            outcome = Outcome(error=wrapped(self.provider.name, error))
        self.outcome = outcome
        self.is_running: bool = False  # after an interrupt above, the next call ends the refresh
        if self._done is not None:
            with suppress(RuntimeError):  # the loop was closed with this task in it, so there are no waiters to wake
                self._done.set()

    async def wait(self, max_wait: float) -> Outcome | None:
        """Wait for the outcome, for at most ``max_wait`` seconds, which may be infinite; return None after them.

        Raises:
            ReentrantProviderError: This refresh waits for the one that the caller is a part of.

        """
        if self._done is None:
            return self.outcome  # it has ended without a task
        waiting_refresh = self._register_waiter()
        self._waiters += 1
        try:
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

    async def cancel(self) -> None:
        """Cancel the attempt, and wait until its cleanup is done."""
        import anyio

        assert self._attempt is not None and self._done is not None  # noqa: PT018 - both exist since it has started
        self._attempt.cancel()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEANUP_TIMEOUT):
            await self._done.wait()

    def withdraw(self) -> bool:
        """Cancel the attempt if no caller waits for it. Return whether it was cancelled, now or before."""
        if not self._waiters and self._attempt is not None:
            self.is_withdrawn = True
            self._attempt.cancel()
        return self.is_withdrawn

    def _register_waiter(self) -> InFlightRefresh | None:
        """Return the refresh that the calling code is a part of, after noting that it waits for this one."""
        calls = active_calls.get()
        waiter = calls[0] if calls else None
        if not isinstance(waiter, InFlightRefresh) or not waiter.is_running:
            return None  # a refresh that has ended does not wait, though tasks that it started may
        from .reentrancy import check_no_cycle

        check_no_cycle(self, waiter)
        waiter._waits_for.append(self)
        return waiter
