"""One attempt to refresh, shared by all who ask meanwhile, and owned by none of them.

A flight is a task of the event loop run. It ends in exactly one outcome, and any end wakes all who wait. Who is
cancelled while waiting leaves alone. Flights that come to wait for each other in a circle are told before they do.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from contextvars import ContextVar
from typing import NamedTuple

import anyio

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, ReentrantProviderError, RetrievalError

# What clean-up may take when a flight is ended: closing sockets is local work.
GRACE = 2.0

_current: ContextVar[Flight | None] = ContextVar("anycreds_flight", default=None)


class Outcome(NamedTuple):
    """How a flight ended: with a set, with an error, or with neither, which is abandoned."""

    credentials: Credentials | None = None
    error: CredentialsError | None = None


ABANDONED = Outcome()


class Flight:
    """One refresh in the air."""

    __slots__ = (
        "_done",
        "_exit",
        "_land",
        "_scope",
        "_waiting",
        "_waits_for",
        "begun",
        "generation",
        "has_started",
        "name",
        "outcome",
        "prompts_user",
        "run",
    )

    def __init__(self, name: str, run: Hashable, land: Callable[[Flight, Outcome], Outcome]) -> None:
        self.name = name
        self._land = land
        self.run = run
        self.generation = -1
        self.begun = 0.0
        self.has_started = False
        self.outcome: Outcome | None = None
        self._done = anyio.Event()
        self._scope = anyio.CancelScope()
        self.prompts_user = False
        self._exit: BaseException | None = None
        self._waiting = 0
        self._waits_for: list[Flight] = []

    async def fly(self, attempt: Callable[[], Awaitable[Credentials]], delay: float) -> BaseException | None:
        """Make the attempt, after ``delay`` seconds, and tell all who wait how it went.

        Returns an exit (``SystemExit``, ``KeyboardInterrupt``) that nobody is there to take.
        """
        self.has_started = True
        _current.set(self)
        try:
            self.settle(await self._try(attempt, delay))
        finally:
            self.settle(ABANDONED)  # unless it has ended already
        return None if self._waiting else self._exit

    async def _try(self, attempt: Callable[[], Awaitable[Credentials]], delay: float) -> Outcome:
        try:
            with self._scope:
                if delay > 0:
                    await anyio.sleep(delay)
                return Outcome(credentials=await attempt())
        except CredentialsError as error:
            return Outcome(error=error.with_traceback(None))
        except Exception as error:  # noqa: BLE001 - a source is foreign code, and everybody waits for its end
            return Outcome(error=_wrapped(self.name, error))
        except BaseException as error:
            self._exit = _exit_in(error)
            if self._exit is None and _is_cancellation(error):
                raise
            return Outcome(error=_wrapped(self.name, error))
        return ABANDONED  # ``end`` has cancelled it

    def settle(self, outcome: Outcome) -> None:
        """End here: let the outcome be taken in, and wake all who wait. Only the first end counts."""
        if self.outcome is not None:
            return
        try:
            self.outcome = self._land(self, outcome)
        except Exception as error:  # noqa: BLE001 - such as a clock of the program's; nobody may wait for ever
            self.outcome = Outcome(error=_wrapped(self.name, error))
        with suppress(RuntimeError):  # the loop was closed with this task in it: there is nobody left to wake
            self._done.set()

    async def wait(self, patience: float) -> Outcome | None:
        """Return the outcome, or None if it takes longer than ``patience`` seconds.

        Raises ``ReentrantProviderError`` if this flight cannot end before the one that asks does.
        """
        waiter = self._admit()
        self._waiting += 1
        try:
            if patience == math.inf:  # no scope around it: ten thousand may wait here
                await self._done.wait()
            else:
                with anyio.move_on_after(patience):
                    await self._done.wait()
        finally:
            self._waiting -= 1
            if waiter is not None:
                waiter._waits_for.remove(self)
        if self._exit is not None:  # one of those who wait takes it, as if the source had run in its own task
            leave, self._exit = self._exit, None
            raise leave
        return self.outcome

    async def end(self) -> None:
        """Cancel the attempt and wait until nothing of it is left."""
        self._scope.cancel()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + GRACE):
            await self._done.wait()

    def _admit(self) -> Flight | None:
        """Return the flight that wants to wait for this one, if it is one, and note that it does."""
        waiter = _current.get()
        if waiter is None or waiter.outcome is not None:  # an ended one: its task lives on, but nobody waits for it
            return None
        if path := _path(self, waiter):
            names = " -> ".join(flight.name for flight in (waiter, *path))
            raise ReentrantProviderError(
                f"it waits for itself: {names}", source=self.name, hint="give one of them another source"
            )
        waiter._waits_for.append(self)
        return waiter


def _path(start: Flight, goal: Flight) -> tuple[Flight, ...]:
    """Return the flights from one to another along what waits for what; empty: there is no such way."""
    ways: list[tuple[Flight, ...]] = [(start,)]
    seen: set[int] = set()
    while ways:
        way = ways.pop()
        if way[-1] is goal:
            return way
        if id(way[-1]) not in seen:
            seen.add(id(way[-1]))
            ways.extend((*way, following) for following in way[-1]._waits_for)
    return ()


def _wrapped(name: str, error: BaseException) -> RetrievalError:
    wrapped = RetrievalError(f"failed with {type(error).__name__}, see the cause", source=name)
    return wrapped._keep_cause(error)


def _is_cancellation(error: BaseException) -> bool:
    """Tell whether an exception is, or a group has in it, the cancellation of the task."""
    if isinstance(error, GeneratorExit):  # of a source's own, or of a loop that was dropped, where nobody can be asked
        return False
    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(cancelled) is not None
    return isinstance(error, cancelled)


def _exit_in(error: BaseException) -> BaseException | None:
    """Return the wish to leave the program that is in an exception or a group, if one is."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for part in error.exceptions if (found := _exit_in(part))), None)
    return None
