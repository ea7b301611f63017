"""What a cache knows, shared by every thread and event loop: one set, how the last attempt went, who is refreshing.

Everything here happens at once, under a lock that is never held over an await or foreign code. What is to be done is
decided in ``_policy``; what is to be waited for is handed out as a flight.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from typing import NamedTuple

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, RetrievalError
from .._core.events import Invalidated, Observer
from .._core.io import Clock
from .._core.logs import log
from .._core.observer import notify_observer
from . import policy
from . import refresh_windows as windows
from .refresh import ABANDONED, Flight, Outcome
from .reporting import report

# Stands where a set will stand, and is never served.
_NONE = Credentials("none", "none")


class CacheOptions(NamedTuple):
    """How a cache differs from the usual one. See ``cached``."""

    refresh_window: float | None = None
    recheck_after: float | None = None
    stale_ok: bool = False
    observer: Observer | None = None


class Step(NamedTuple):
    """What one caller does next."""

    decision: policy.Decision
    credentials: Credentials | None
    left: float
    flight: Flight | None = None
    """The one to wait for, or that was wanted."""
    starts_after: float | None = None
    """The flight is new: this caller starts it, and it waits so many seconds first."""


class Memory:
    """The state of one cache."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        options: CacheOptions,
        may_extend: Callable[[Credentials], bool],
        may_prompt_user: bool,
    ) -> None:
        self._name = name
        self._clock = clock
        self._options = options
        self._allows_stale = may_extend
        self.may_prompt_user = may_prompt_user
        """Whether an attempt may prompt the user: as the provider says, and after each attempt, as that one did."""
        self._view = policy.View()
        self._generation = 0
        self._last_end = -math.inf
        self._dropped: tuple[int, float] | None = None
        self._never_before = (math.inf, math.inf, _NONE, clock.time)
        self.published = self._never_before
        """(start, end, set, wall clock): between these instants every ordinary caller gets this set."""
        self.forget_runs()

    def forget_runs(self) -> None:
        """Drop what belongs to runs and threads, as they are not in a process that was forked off. Keep the set."""
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Flight] = {}
        self._gathering: dict[Hashable, Flight] = {}

    @property
    def now(self) -> windows.Moment:
        """Both clocks."""
        return windows.Moment(self._clock.time(), self._clock.monotonic())

    @property
    def held(self) -> windows.Held | None:
        """What is cached, be it valid or not."""
        return self._view.held

    @property
    def last_error(self) -> CredentialsError | None:
        """What went wrong at the last attempt, if it did."""
        return self._view.setback.error if self._view.setback is not None else None

    @property
    def due_in(self) -> float:
        """Seconds until the next refresh is due."""
        return policy.due_in(self._view, self.now)

    def at_once(self) -> Credentials | None:
        """Return the set that every ordinary caller gets now, if there is nothing to decide."""
        start, end, credentials, clock = self.published
        return credentials if start <= clock() < end else None

    def gathering(self, run: Hashable) -> Flight | None:
        """Return the flight that every ordinary caller of this run waits for, if there is nothing to decide.

        That is so from when the first one was told to, until any flight ends: nothing is valid meanwhile. The other
        9,999 of ten thousand who ask at once so need no lock and no clock.
        """
        flight = self._gathering.get(run)
        return flight if flight is not None and flight.has_started and flight.outcome is None else None

    def flight_of(self, run: Hashable) -> Flight | None:
        """Return the flight that this run has in the air."""
        return self._flights.get(run)

    def step(
        self, run: Hashable, min_ttl: float | None, *, has_waited: bool, has_ended: Callable[[Hashable], bool]
    ) -> Step:
        """Decide for one caller."""
        now = self.now
        with self._lock:
            flight = self._flights.get(run)
            if flight is not None and (not flight.has_started or flight.outcome is not None):
                flight = None  # an interrupt or a fault hit its caller before it was started, or at its end
            decision = policy.decide(self._view, now, min_ttl, is_flying=flight is not None)
            if has_waited and decision.patience == policy.PATIENCE:
                decision = decision._replace(patience=0.0)
            starts_after = None
            if decision.flies and flight is None:
                self._flights = {known: other for known, other in self._flights.items() if not has_ended(known)}
                flight = self._flights[run] = Flight(self._name, run, self._land)
                starts_after = max(0.0, self._last_end + windows.FIRST_PAUSE - now.monotonic)
            if decision is policy.JOIN and min_ttl is None and flight is not None:
                self._gathering = {**self._gathering, run: flight}
            if min_ttl is None and decision.patience <= 0 and decision.refused is None:
                self._publish(now, is_flying=flight is not None)
            held = self._view.held
            if held is None:
                return Step(decision, None, 0.0, flight, starts_after)
            return Step(decision, held.credentials, held.left(now), flight, starts_after)

    def begin(self, flight: Flight) -> None:
        """Note that the source is asked from now on: what is invalidated later, this answer may not bring back."""
        flight.generation = self._generation
        flight.begun = self._clock.monotonic()

    def _land(self, flight: Flight, outcome: Outcome) -> Outcome:
        """Take in what a flight brought. Return what those who wait for it get."""
        now, chance = self.now, self._clock.jitter()
        with self._lock:
            if self._flights.get(flight.run) is flight:
                del self._flights[flight.run]
            self._gathering = {}
            brought = outcome.credentials or outcome.error
            if outcome.credentials is not None or isinstance(outcome.error, RetrievalError):
                self._last_end = now.monotonic  # the source was asked, be its answer believed or not
            if brought is None or flight.generation != self._generation:
                self._view = self._view._replace(is_unsettled=True)
                self.published = self._never_before
                return ABANDONED
            before = self._view.held
            if outcome.credentials is not None:
                self.may_prompt_user = flight.prompts_user
            landing = windows.land(
                before,
                self._view.setback,
                brought,
                now,
                chance,
                refresh_window=self._options.refresh_window,
                recheck_after=self._options.recheck_after,
                may_extend=before is not None and self._allows_stale(before.credentials),
                asks_person=self.may_prompt_user,
            )
            self._view = self._view._replace(held=landing.held, setback=landing.setback, is_unsettled=False)
            came_again = self._came_again(landing, now)
            self._publish(now)
        took = now.monotonic - flight.begun
        report(self._name, self._options.observer, before, landing, now, took=took, came_again=came_again)
        if landing.credentials is not None:
            return Outcome(credentials=landing.credentials)
        return outcome

    def invalidate(self, credentials: Credentials) -> bool:
        """Drop the cached set if it is this one. Return whether it was dropped."""
        now = self.now
        with self._lock:
            held = self._view.held
            if held is None or _mark(held.credentials) != _mark(credentials):
                return False
            if (
                self._dropped is not None
                and now.monotonic < self._dropped[1]
                and self._dropped[0] == _mark(credentials)
            ):
                return False  # the source insists on this set: to drop it again and again would only be a hot loop
            self._generation += 1
            self._dropped = (_mark(credentials), -math.inf)
            self._view = self._view._replace(held=None, refusal=None)
            self.published = self._never_before
        log("cache", "info", "%s: the cached set %s was invalidated", self._name, credentials.access_key_id)
        notify_observer(self._options.observer, Invalidated(self._name, credentials))
        return True

    def refuse(self, min_ttl: float) -> None:
        """Remember that so long a life cannot be had, so that the same wish does not ask again at once."""
        with self._lock:
            self._view = self._view._replace(refusal=policy.Refusal(min_ttl, self.now.monotonic + policy.MEMORY))

    def _publish(self, now: windows.Moment, *, is_flying: bool = False) -> None:
        held, quiet = self._view.held, policy.quiet_for(self._view, now, is_flying=is_flying)
        if held is not None and quiet > 0:
            self.published = (now.wall, now.wall + quiet, held.credentials, self._clock.time)
        else:
            self.published = self._never_before

    def _came_again(self, landing: windows.Landing, now: windows.Moment) -> bool:
        """Note that the source gave a set again that was invalidated; it is then kept for a while."""
        if self._dropped is None or landing.credentials is None or _mark(landing.credentials) != self._dropped[0]:
            return False
        self._dropped = (self._dropped[0], now.monotonic + policy.MEMORY)
        return landing.event == "arrived"


def _mark(credentials: Credentials) -> int:
    """Tell sets apart by key id and token, without keeping a dropped one."""
    return hash((credentials.access_key_id, credentials.session_token))
