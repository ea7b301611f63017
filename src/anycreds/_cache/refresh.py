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

**Other event loops.** Their callers wait for it too, through a ``RemoteRefresh`` each. They get the same outcome, but
no ``KeyboardInterrupt`` or ``SystemExit``: without a waiter in its own event loop the task returns that to the run.
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
from .._core.provider import active_calls
from .._core.used_files import FileVersions, record_files
from .outcome import ABANDONED, Outcome, is_cancellation, process_exit_in, wrapped
from .waiting import Refresh

if TYPE_CHECKING:
    from .._core.io import OpenAttempt
    from .remote_refresh import RemoteRefresh
    from .state import CacheState

# Seconds for the cleanup of a cancelled attempt: closing sockets is local work.
CLEANUP_TIMEOUT = 2.0
# Seconds in which an event loop runs what another thread wants it to run, unless something blocks it. After these the
# callers of other event loops do not wait for its refresh any longer.
MAX_SILENCE = 2.0


class InFlightRefresh(Refresh):
    """One refresh in progress.

    Args:
        state: The state of the cache.
        loop: The event loop whose task it is.
        delay: Seconds after which the attempt begins.
        is_preferred: Whether its caller has waited in vain for refreshes of other event loops.

    """

    __slots__ = (
        "_attempt",
        "_cached",
        "_delay",
        "_pinged_at",
        "_state",
        "files",
        "generation",
        "has_called",
        "is_preferred",
        "number",
        "prompts_user",
        "remotes",
        "started_at",
    )

    def __init__(self, state: CacheState, loop: Hashable, delay: float = 0.0, *, is_preferred: bool = False) -> None:
        super().__init__(state.source, loop)
        self.is_preferred: bool = is_preferred
        self.has_called: bool = False  # whether its task has called the source
        self.generation: int = -1  # the number of invalidations before the source was called
        self.number: int = 0  # of the attempt, in the order in which all refreshes called the source
        self.started_at: float = -math.inf  # when the source was called (monotonic)
        self.prompts_user: bool = False
        self.files: FileVersions = {}  # that its attempt has used
        self.remotes: dict[Hashable, RemoteRefresh] = {}  # by the event loop of their callers
        self._state = state
        self._delay = delay
        self._attempt: OpenAttempt | None = None  # made when the task is
        self._cached: object = None  # the provider, which a ``RoleCache`` finds while anything refers to it
        self._pinged_at: float | None = None  # when its event loop was called, which has not answered (monotonic)

    def finish_now(self) -> bool:
        """Make the attempt and finish, in the caller's task, if that waits for nothing; else return False."""
        if self._delay > 0:
            return False
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

    def start(self, cached: object) -> None:
        """Start the task, which keeps the cached provider. If that fails, the refresh is abandoned."""
        import anyio

        self._cached = cached
        runtime = self._state.runtime
        self._done, self._attempt = anyio.Event(), runtime.open_io(self.provider.name)
        try:
            name = f"anycreds refresh: {self.provider.name}"
            runtime.spawn_system_task(self.run, self.finish, name, copy_context())
            self.has_started: bool = True
        except BaseException:
            self.finish()
            raise

    async def run(self) -> BaseException | None:
        """Make the attempt after the delay, and finish.

        Returns:
            A ``SystemExit`` or ``KeyboardInterrupt`` raised by the source if no caller is left to receive it.

        """
        self.has_started = True
        active_calls.set((self,))  # the calls of the caller that started this refresh do not wait for it
        try:
            self.finish(await self._outcome_of_attempt())
        finally:
            self.finish()
        return None if self.is_awaited else self._pending_exit

    async def _outcome_of_attempt(self) -> Outcome:
        assert self._attempt is not None
        outcome = ABANDONED  # if ``cancel`` is called
        try:
            async with self._attempt as io:
                if self._delay > 0:
                    with self._state.runtime.pause_attempt():
                        await io.sleep(self._delay)
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
        self.files = record_files()
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
        self._cached = None
        self.outcome: Outcome | None = outcome
        self.is_running: bool = False  # after an interrupt above, the next call ends the refresh
        if self._done is not None:
            with suppress(RuntimeError):  # the loop was closed with this task in it, so there are no waiters to wake
                self._done.set()
        self.wake_remotes(outcome)

    async def cancel(self) -> None:
        """Cancel the attempt, and wait until its cleanup is done."""
        import anyio

        assert self._attempt is not None and self._done is not None  # noqa: PT018 - both exist since it has started
        self._attempt.cancel()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEANUP_TIMEOUT):
            await self._done.wait()

    def withdraw(self) -> bool:
        """Cancel the attempt if no caller waits for it. Return whether it was cancelled, now or before."""
        is_awaited = self.is_awaited or any(remote.is_awaited for remote in self.remotes.copy().values())
        if not is_awaited and self._attempt is not None:
            self.is_withdrawn = True
            self._attempt.cancel()
        return self.is_withdrawn

    def wake_remotes(self, outcome: Outcome) -> None:
        """Let the callers in other event loops wait no longer. Any thread may call this."""
        remotes, self.remotes = self.remotes, {}
        for remote in remotes.values():
            remote.finish(outcome)

    def is_going_on(self) -> bool:
        """Return whether its event loop runs, and has answered within ``MAX_SILENCE``. Any thread may call this."""
        runtime = self._state.runtime
        now, pinged_at = runtime.monotonic(), self._pinged_at
        if pinged_at is not None:
            return now - pinged_at < MAX_SILENCE
        self._pinged_at = now
        return runtime.call_soon(self.loop, self._answer)

    def _answer(self) -> None:
        if self.has_started:  # otherwise its caller may have been interrupted before
            self._pinged_at = None
