"""The state of one cache, shared by every thread and event loop: credentials, the last failure, refreshes in progress.

**Lock.** Every method that changes the state does so under one lock, which is never held over an ``await``, an observer
or a log record. The plain functions of ``policy`` decide; a refresh to wait for is returned as an object. Its outcome
arrives by one call, ``apply_outcome``. What a signal handler changes in the middle of a change is deferred to its end.

**Two fast paths avoid the lock.** ``fast_path`` is one tuple (start, end, credentials, clock). Between these two wall
clock times every caller without ``min_ttl`` gets these credentials, so a hit reads one clock and compares it with both
bounds. The end keeps the credentials inside their current window, and is a minute away at most. The start ends the
interval if the clock is set back, which would otherwise prolong it. ``refreshes.joinable`` is the same for callers that
have to wait: once one caller of an event loop has decided to wait because nothing valid is cached, all other callers of
this loop without ``min_ttl`` would decide the same, until any refresh ends.

**Invalidation.** ``generation`` counts invalidations. A refresh remembers the count at which its source was called. If
the count has changed when it ends, the credentials may be the invalidated ones, so the outcome is void.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from .._core.credentials import Credentials, fingerprint_of
from .._core.provider import ClientContext, Provider
from . import policy
from .deferred_changes import DeferredChanges
from .known_files import NO_FILES, files_after
from .outcome import ABANDONED, Outcome, lifetime_too_short
from .refresh import InFlightRefresh
from .refresh_results import RefreshResult, apply_credentials, apply_error, is_unchanged
from .refresh_windows import CacheOptions, ClockReading
from .refreshes import Refreshes
from .reports import report_invalidation, report_refresh, report_repeated

if TYPE_CHECKING:
    from .._core.io import Runtime
    from .waiting import Refresh

# Fills the tuple of the fast path while that is off; never returned.
_PLACEHOLDER = Credentials("none", "none")


class CallPlan(NamedTuple):
    """What one caller does next."""

    credentials: Credentials | None  # what it gets if it does not wait, or has waited for long enough
    refresh: Refresh | None  # to wait for
    max_wait: float  # seconds to wait for the refresh; 0 to return at once
    new: InFlightRefresh | None = None  # the same refresh, if the caller has to share and to start it


class CacheState:
    """The state of one cache."""

    def __init__(self, source: Provider, runtime: Runtime, options: CacheOptions, context: ClientContext) -> None:
        self.source = source
        self.runtime = runtime
        self.options = options
        self.context = context
        self.may_prompt_user: bool = source._may_prompt_user
        """Whether a refresh may prompt the user: as the source declares, and after each refresh, as that one did."""
        self.is_used: bool = False  # whether a ``RoleCache`` has returned its credentials; see ``RoleEntries``
        self.generation: int = 0
        self.snapshot: policy.CacheSnapshot = policy.CacheSnapshot()
        """What is cached, and how the last attempt ended."""
        self.attempt_numbers: itertools.count[int] = itertools.count(1)
        self._newest_attempt = 0  # of those that returned credentials; the ones of other loops overlap
        self.open_blocks: list[Hashable] = []  # the event loops of the open ``keep_fresh`` blocks, once for each
        self._invalidated: tuple[int | None, float] = (None, -math.inf)
        """The fingerprint of the last invalidated credentials, and until when they cannot be invalidated again."""
        self._no_fast_path = (math.inf, math.inf, _PLACEHOLDER, runtime.time)
        self.fast_path: tuple[float, float, Credentials, Callable[[], float]] = self._no_fast_path
        self.refreshes: Refreshes = Refreshes(self)
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop refreshes and the lock: their tasks and threads do not exist in a child process. Keep credentials."""
        self._lock = threading.RLock()  # noqa: TID251 - see ``DeferredChanges``
        self._deferred = DeferredChanges(self._lock)
        self.refreshes.reset()

    @property
    def now(self) -> ClockReading:
        """The time by both clocks."""
        return ClockReading(self.runtime.time(), self.runtime.monotonic())

    def allows_stale(self, credentials: Credentials) -> bool:
        """Return whether credentials may be returned past their expiration while the source is down."""
        return self.options.stale_ok or self.source._allows_stale(credentials)

    def cached_or_none(self) -> Credentials | None:
        """Return what the fast path returns; None if it is off."""
        start, end, credentials, clock = self.fast_path
        return credentials if start <= clock() < end else None

    def refresh_for(self, loop: Hashable) -> Refresh | None:
        """Return the refresh in progress that the callers of this event loop wait for."""
        with self._lock:
            refresh = self.refreshes.find(loop)
        self._deferred.run()
        return refresh

    def share_refresh(self, refresh: InFlightRefresh) -> bool:
        """Let all event loops wait for a refresh that is started next; return False if they wait for another one."""
        with self._lock:
            is_shared = self.refreshes.share(refresh)
        self._deferred.run()
        return is_shared

    def drop_refresh(self, refresh: InFlightRefresh) -> None:
        """Let other event loops wait no longer for a refresh whose event loop does not go on."""
        with self._lock:
            self.refreshes.drop(refresh)
            self.fast_path = self._no_fast_path  # the next caller decides whether to start another one
        self._deferred.run()

    def plan_call(
        self, loop: Hashable, min_ttl: float | None, *, has_waited: bool, force: bool, prefer_own: bool = False
    ) -> CallPlan:
        """Decide for one caller.

        ``has_waited``: it has waited as long as the mandatory window allows. ``force``: it wants a refresh now.
        ``prefer_own``: it has waited in vain for refreshes of other event loops.

        Raises:
            LifetimeTooShortError: The cached credentials are valid for less than ``min_ttl``.
            CredentialsError: The last refresh raised it, and it is too early for the next one.

        """
        self._deferred.run()
        now = self.now
        with self._lock:
            refresh, new = self.refreshes.find(loop, prefer_own=prefer_own), None
            decision = policy.decide(self.snapshot, now, min_ttl, is_refreshing=refresh is not None, force=force)
            if has_waited and decision is policy.WAIT_BRIEFLY:
                decision = policy.REFRESH_IN_BACKGROUND
            if decision.needs_refresh and refresh is None:
                refresh = new = self.refreshes.plan(loop, now, is_preferred=prefer_own)
            if decision is policy.WAIT and min_ttl is None and not force and refresh is not None:
                self.refreshes.join_all(refresh)
            if decision is policy.SERVE or (decision is policy.REFRESH_IN_BACKGROUND and min_ttl is None):
                self._update_fast_path(now, is_refreshing=refresh is not None)
            cached = self.snapshot.cached
        self._deferred.run()
        if decision.error is not None:
            raise decision.error._copy()
        if decision.lifetime_too_short and min_ttl is not None:
            raise lifetime_too_short(self.source.name, 0.0 if cached is None else cached.remaining(now), min_ttl)
        return CallPlan(None if cached is None else cached.credentials, refresh, decision.max_wait, new)

    def apply_outcome(self, refresh: InFlightRefresh, outcome: Outcome) -> Outcome:
        """Apply how a refresh has ended, and report it. Return what its waiters get."""
        if self._deferred.add_if_interrupting(partial(self.apply_outcome, refresh, outcome)):
            return outcome
        now, jitter = self.now, self.runtime.jitter()
        with self._lock:
            self.refreshes.remove(refresh)
            credentials, error, _ = outcome
            if credentials is not None or (refresh.has_called if error is None else error._source_was_called):
                self.refreshes.last_call_ended = now.monotonic  # whether the outcome is used or not
            if outcome is ABANDONED or refresh.generation != self.generation:
                result, is_repeated = None, False
                self.fast_path = self._no_fast_path  # the next caller decides whether to start another one
            else:
                if credentials is not None:
                    self.may_prompt_user = refresh.prompts_user
                result = self._result_of(outcome, now, jitter, refresh.number)
                files = NO_FILES  # a change of files makes no refresh due that may prompt the user
                if not self.may_prompt_user:
                    files = files_after(self.snapshot.files, refresh.files, result, now.monotonic)
                self.snapshot = self.snapshot._replace(cached=result.cached, failure=result.failure, files=files)
                is_repeated = self._source_repeated_invalidated(result, now)
                self._update_fast_path(now)
        self._deferred.run()
        if result is None:
            return outcome if outcome is ABANDONED else outcome._replace(is_void=True)
        name, seconds = self.source.name, now.monotonic - refresh.started_at
        report_refresh(name, self.options.observer, result, now, seconds)
        if is_repeated:
            report_repeated(name)
        return outcome if result.credentials is None else Outcome(credentials=result.credentials)

    def _result_of(self, outcome: Outcome, now: ClockReading, jitter: float, number: int) -> RefreshResult:
        cached, failure = self.snapshot.cached, self.snapshot.failure
        if outcome.credentials is not None:
            new, prompts = outcome.credentials, self.may_prompt_user
            is_overtaken, self._newest_attempt = number < self._newest_attempt, max(number, self._newest_attempt)
            if is_overtaken and cached is not None and is_unchanged(new, cached, now, any_key=True):
                return RefreshResult(cached, cached, failure, cached.credentials, "unchanged")
            return apply_credentials(cached, failure, new, now, jitter, options=self.options, may_prompt_user=prompts)
        assert outcome.error is not None  # the caller has checked that it is not abandoned
        allows_stale = cached is not None and self.allows_stale(cached.credentials)
        return apply_error(cached, failure, outcome.error, now, jitter, allows_stale=allows_stale)

    def _source_repeated_invalidated(self, result: RefreshResult, now: ClockReading) -> bool:
        """Return whether the source returned invalidated credentials again. They then stay cached for a while."""
        credentials = result.credentials
        if credentials is None or self._invalidated[0] is None or fingerprint_of(credentials) != self._invalidated[0]:
            return False
        self._invalidated = (self._invalidated[0], now.monotonic + policy.REJECTION_TTL)
        return result.event == "refreshed"

    def invalidate(self, credentials: Credentials) -> bool:
        """Drop the cached credentials if they are these. Return whether they were, or will be, dropped."""
        now, fingerprint = self.now, fingerprint_of(credentials)
        if self._deferred.add_if_interrupting(partial(self.invalidate, credentials)):
            self.fast_path = self._no_fast_path
            return self._may_drop(fingerprint, now)
        with self._lock:
            is_dropped = self._may_drop(fingerprint, now)
            if is_dropped:
                self.generation += 1
                self._invalidated = (fingerprint, -math.inf)
                self.snapshot = self.snapshot._replace(cached=None, rejection=None)
                self.fast_path = self._no_fast_path
        self._deferred.run()
        if is_dropped:
            report_invalidation(self.source.name, self.options.observer, credentials)
        return is_dropped

    def _may_drop(self, fingerprint: int, now: ClockReading) -> bool:
        """Return whether these credentials are cached, and the source may have others: it has not repeated them."""
        cached, (last, until) = self.snapshot.cached, self._invalidated
        is_cached = cached is not None and fingerprint_of(cached.credentials) == fingerprint
        return is_cached and not (last == fingerprint and now.monotonic < until)

    def unwanted(self) -> set[int]:
        """Return the fingerprints of the credentials that a refresh is to replace: the cached and the invalidated."""
        cached, dropped = self.snapshot.cached, self._invalidated[0]
        found = set() if cached is None else {fingerprint_of(cached.credentials)}
        return found if dropped is None else found | {dropped}

    def reject_min_ttl(self, now: ClockReading, remaining: float, min_ttl: float) -> NoReturn:
        """Raise ``LifetimeTooShortError``, and remember that the source cannot satisfy this ``min_ttl``."""
        with self._lock:
            rejection = policy.MinTtlRejection(min_ttl, now.monotonic + policy.REJECTION_TTL)
            self.snapshot = self.snapshot._replace(rejection=rejection)
        self._deferred.run()
        raise lifetime_too_short(self.source.name, remaining, min_ttl)

    def _update_fast_path(self, now: ClockReading, *, is_refreshing: bool = False) -> None:
        duration = policy.fast_path_duration(self.snapshot, now, is_refreshing=is_refreshing)
        cached = self.snapshot.cached
        if cached is not None and duration > 0:
            self.fast_path = (now.wall, now.wall + duration, cached.credentials, self.runtime.time)
        else:
            self.fast_path = self._no_fast_path
