"""The public face of the cache: a provider that remembers, and that refreshes once however many tasks ask.

A hit takes no lock, awaits nothing and decides nothing: one tuple says until when there is nothing to decide.
"""

from __future__ import annotations

import math
from contextvars import copy_context
from datetime import timedelta

from .._core.credentials import Credentials
from .._core.durations import as_seconds
from .._core.errors import LifetimeTooShortError, RetrievalError
from .._core.events import Waited
from .._core.io import Io, Runtime
from .._core.observer import notify_observer, watch
from .._core.provider import NO_CONTEXT, ClientContext, Provider, clear_call_stack, fetch_observed
from .keep_fresh import KeepFresh
from .refresh import ABANDONED, Flight, Outcome
from .state import CacheOptions, Memory, Step

# How many flights in a row may come to nothing under a caller, through others, before it is told.
FLIGHT_LIMIT = 3


class CachedProvider(Provider):
    """A provider that remembers. Made by ``cached`` and ``from_default_chain``.

    ``await provider()`` serves the cached set while it is good, refreshes it ahead of its end, and makes one upstream
    call however many tasks ask. One object serves any number of event loops and threads, on trio and asyncio, one
    after another or at once.
    """

    __slots__ = ("_bound", "_context", "_memory", "_options", "_source")

    def __init__(self, source: Provider, runtime: Runtime, options: CacheOptions, caller: ClientContext) -> None:
        super().__init__(
            source.name, runtime, may_prompt_user=source._may_prompt_user, context_fields=source._context_fields
        )
        self._source = source
        self._options = options
        self._context = caller
        self._bound: dict[ClientContext, CachedProvider] = {}
        self._memory = Memory(source.name, runtime, options, self._allows_stale, source._may_prompt_user)
        runtime.after_fork(self._memory.forget_runs)

    async def __call__(self, min_ttl: timedelta | float | None = None) -> Credentials:
        """Return credentials that are valid now, and for at least ``min_ttl`` (a timedelta, or seconds) if given.

        Raises what the provider raised, a ``CredentialsError``, if there is no valid set to serve, and
        ``LifetimeTooShortError`` if the newest set that can be had is valid for less than ``min_ttl``.
        """
        start, end, credentials, clock = self._memory.published
        if min_ttl is None and start <= clock() < end:
            return credentials
        return await self._obtain(None if min_ttl is None else as_seconds("min_ttl", min_ttl))

    def invalidate(self, credentials: Credentials) -> bool:
        """Drop the cached set if it is this one, because a service refused it. Return whether it was dropped.

        A refresh that has begun before is not believed any more. If the source gives the very same set again, it is
        served, and not dropped once more for five minutes. Never more than one upstream call a second comes of this.
        """
        return self._memory.invalidate(credentials)

    def for_client(self, context: ClientContext) -> CachedProvider:
        """Return this provider for one client.

        Args:
            context: The region and profile of the client.

        Returns:
            The provider with a cache of its own, the same one for equal contexts; this provider itself if its
            credentials do not depend on what differs.
        """
        relevant = NO_CONTEXT._replace(**{name: getattr(context, name) for name in self._context_fields})
        if relevant == self._context:
            return self
        return self._bound.get(relevant) or self._bound.setdefault(
            relevant, CachedProvider(self._source, self._runtime, self._options, relevant)
        )

    def keep_fresh(self) -> KeepFresh:
        """Return an ``async with`` that refreshes the set ahead of need, so that nobody waits while it is open.

        Entering waits for the first set, and raises what ``await provider()`` would. Its handle's ``credentials`` is a
        plain read, for code that cannot await. Leaving ends all that it started.

        Raises ``InvalidConfigurationError`` if the provider may have to ask a person.
        """
        return KeepFresh(self, self._memory)

    async def _call(self, caller: ClientContext) -> Credentials:
        return await (self if caller == ClientContext() else self.for_client(caller))()

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        credentials = await self._call(context)  # in a chain, too, a cache has its own attempts and refreshes
        io.prompts_user = io.prompts_user or self._memory.may_prompt_user
        return credentials

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._options.stale_ok or self._source._allows_stale(credentials)

    async def _obtain(self, min_ttl: float | None) -> Credentials:
        has_waited = False
        flights = 0
        while flights < FLIGHT_LIMIT:
            flight, patience = (
                self._memory.gathering(self._runtime.current_loop()) if min_ttl is None else None,
                math.inf,
            )
            if flight is None:
                await self._runtime.preload()
                step = self._next(min_ttl, has_waited=has_waited)
                if step.decision.refused is not None:
                    raise step.decision.refused._copy()
                if step.decision.too_short:
                    raise self._too_short(step.left, min_ttl)
                if step.flight is None or step.decision.patience <= 0:
                    assert step.credentials is not None  # without a flight to wait for there is a set to serve
                    return step.credentials
                flight, patience = step.flight, step.decision.patience
                del step  # many may wait below, and each would keep one
            observer = self._options.observer
            begun = 0.0 if observer is None else self._runtime.monotonic()
            with self._runtime.pause_attempt():
                outcome = await flight.wait(patience)
            if observer is not None:
                notify_observer(observer, Waited(self.name, self._runtime.monotonic() - begun))
            if min_ttl is None and (credentials := self._memory.at_once()) is not None:
                return credentials
            if outcome is None:
                has_waited = True
                continue
            if outcome != ABANDONED and (credentials := self._accept(outcome, min_ttl)) is not None:
                return credentials
            flights += 1
        raise RetrievalError(
            f"{flights} refreshes came to nothing: cancelled from outside, or over before they could be served",
            source=self.name,
            hint="look for what cancels all tasks, or keeps the event loop busy",
        )

    def _next(self, min_ttl: float | None, *, has_waited: bool = False) -> Step:
        """Decide for one caller, and start the flight that this takes."""
        runtime = self._runtime
        step = self._memory.step(
            runtime.current_loop(), min_ttl, has_waited=has_waited, has_ended=runtime.is_loop_closed
        )
        if step.starts_after is not None and step.flight is not None:
            self._start(step.flight, step.starts_after)
        return step

    def _start(self, flight: Flight, delay: float) -> None:
        async def attempt() -> Credentials:
            self._memory.begin(flight)
            watch(self._options.observer)
            async with self._runtime.open_io(self.name) as io:
                credentials = await fetch_observed(self._source, io, self._context)
                flight.prompts_user = io.prompts_user
                return credentials

        async def body() -> BaseException | None:
            return await flight.fly(attempt, delay)

        try:
            context = copy_context()
            context.run(clear_call_stack)  # nobody of them waits for this flight, unless by another one
            self._runtime.spawn_system_task(
                body, lambda: flight.settle(ABANDONED), f"anycreds refresh: {self.name}", context
            )
            flight.has_started = True
        except BaseException:
            flight.settle(ABANDONED)
            raise

    def _accept(self, outcome: Outcome, min_ttl: float | None) -> Credentials | None:
        """Return the set that a caller gets after its flight has ended; None: it has to decide again.

        Raises what the flight failed with, if there is nothing valid to serve instead.
        """
        held = self._memory.held
        left = -math.inf if held is None else held.left(self._memory.now)
        if outcome.error is not None and (min_ttl is not None or left <= 0):
            raise outcome.error._copy()
        if held is None or left <= 0:
            return None
        if min_ttl is not None and left < min_ttl:
            self._memory.refuse(min_ttl)
            raise self._too_short(left, min_ttl)
        return held.credentials

    def _too_short(self, left: float, min_ttl: float | None) -> LifetimeTooShortError:
        return LifetimeTooShortError(
            f"the newest set is valid for {left:.0f} s, and {min_ttl or 0:.0f} s were asked",
            source=self.name,
            hint="ask for less, or let the source give longer ones",
        )
