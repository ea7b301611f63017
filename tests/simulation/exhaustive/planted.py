"""Faults to plant in the cache: each is a way in which a cache of another library fails, or could."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import anyio.lowlevel
import pytest

from anycreds._cache import refresh_results
from anycreds._cache.keep_fresh import KeepFresh
from anycreds._cache.outcome import ABANDONED, Outcome
from anycreds._cache.refresh import InFlightRefresh
from anycreds._cache.refresh_results import RefreshResult
from anycreds._cache.refresh_windows import CachedCredentials
from anycreds._cache.refreshes import Refreshes
from anycreds._cache.remote_refresh import RemoteRefresh
from anycreds._cache.state import CacheState


class Planted(NamedTuple):
    """A fault: what is wrong, how to plant it, and the world and the number of deviations that show it."""

    what: str
    plant: Callable[[pytest.MonkeyPatch], None]
    world: str
    deviations: int
    loops: tuple[str, ...] = ("asyncio", "trio")  # trio cancels the next await too, so that swallowing is harmless


def refresh_ends_with_a_caller(patch: pytest.MonkeyPatch) -> None:
    wait = InFlightRefresh.wait

    async def ending(self: InFlightRefresh, max_wait: float) -> Outcome | None:
        try:
            return await wait(self, max_wait)
        except anyio.get_cancelled_exc_class():
            if self._attempt is not None:
                self._attempt.cancel()
            raise

    patch.setattr(InFlightRefresh, "wait", ending)


SEVERAL = ("asyncio+asyncio", "trio+trio")


class Silent:
    """An event that wakes no task."""

    def set(self) -> None:
        """Wake no task."""


def abandoned_refresh_wakes_no_waiter(patch: pytest.MonkeyPatch) -> None:
    finish = InFlightRefresh.finish

    def silent(self: InFlightRefresh, outcome: Outcome = ABANDONED) -> None:
        done = self._done
        if self.is_running and done is not None:
            self._done = cast("anyio.Event", Silent())
            finish(self, outcome)
            self._done = done
            if self.outcome is not None and self.outcome is not ABANDONED and not self.outcome.is_void:
                done.set()

    patch.setattr(InFlightRefresh, "finish", silent)


def generation_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    apply = CacheState.apply_outcome

    def unchecked(self: CacheState, refresh: InFlightRefresh, outcome: Outcome) -> Outcome:
        refresh.generation = self.generation
        return apply(self, refresh, outcome)

    patch.setattr(CacheState, "apply_outcome", unchecked)


def no_second_between_calls(patch: pytest.MonkeyPatch) -> None:
    begin = InFlightRefresh.__init__

    def without_delay(self: InFlightRefresh, state: CacheState, loop: object, *_: float, **options: bool) -> None:
        begin(self, state, loop, **options)

    patch.setattr(InFlightRefresh, "__init__", without_delay)


def each_caller_refreshes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Refreshes, "find", lambda *_, **__: None)
    patch.setattr(Refreshes, "joinable", lambda *_: None)


def each_event_loop_refreshes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Refreshes, "find", lambda self, loop, **_: self.own(loop))
    patch.setattr(Refreshes, "share", lambda *_: True)


def other_event_loops_are_not_woken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RemoteRefresh, "_wake", lambda _: None)


def expiration_by_the_wall_clock_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CachedCredentials, "remaining", lambda self, now: self.wall_expiration - now.wall)


def expiration_by_the_monotonic_clock_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CachedCredentials, "remaining", lambda self, now: self.monotonic_expiration - now.monotonic)


def failure_drops_valid_credentials(patch: pytest.MonkeyPatch) -> None:
    apply = refresh_results.apply_error

    def dropping(*arguments: Any, **options: Any) -> RefreshResult:
        return apply(*arguments, **options)._replace(cached=None)

    patch.setattr("anycreds._cache.state.apply_error", dropping)


def invalidated_credentials_stay_on_the_fast_path(patch: pytest.MonkeyPatch) -> None:
    invalidate = CacheState.invalidate

    def keeping(self: CacheState, credentials: Any) -> bool:
        fast_path = self.fast_path
        is_dropped = invalidate(self, credentials)
        self.fast_path = fast_path
        return is_dropped

    patch.setattr(CacheState, "invalidate", keeping)


def cancellation_is_swallowed(patch: pytest.MonkeyPatch) -> None:
    wait = InFlightRefresh.wait

    async def swallowing(self: InFlightRefresh, max_wait: float) -> Outcome | None:
        try:
            return await wait(self, max_wait)
        except anyio.get_cancelled_exc_class():
            return ABANDONED

    patch.setattr(InFlightRefresh, "wait", swallowing)


def block_leaves_its_task(patch: pytest.MonkeyPatch) -> None:
    async def leaving(self: KeepFresh, *error: object) -> None:
        await anyio.lowlevel.checkpoint()

    patch.setattr(KeepFresh, "__aexit__", leaving)


FAULTS = (
    Planted("a cancelled caller ends the refresh", refresh_ends_with_a_caller, "up", 1),
    Planted("an abandoned refresh wakes no waiter", abandoned_refresh_wakes_no_waiter, "invalidate", 1),
    Planted("a refresh from before invalidate() is published", generation_is_not_checked, "invalidate", 1),
    Planted("the source may be called twice a second", no_second_between_calls, "reject", 0),
    Planted("each caller refreshes", each_caller_refreshes, "up", 0),
    Planted("each event loop refreshes", each_event_loop_refreshes, "two-slow", 0, SEVERAL),
    Planted("callers in other event loops are not woken", other_event_loops_are_not_woken, "two-slow", 0, SEVERAL),
    Planted("only the wall clock decides", expiration_by_the_wall_clock_only, "clock-back", 1),
    Planted("only the monotonic clock decides", expiration_by_the_monotonic_clock_only, "suspend", 1),
    Planted("a failure drops valid credentials", failure_drops_valid_credentials, "mandatory", 1),
    Planted("invalidate() leaves the fast path", invalidated_credentials_stay_on_the_fast_path, "reject", 0),
    Planted("a cancellation is swallowed", cancellation_is_swallowed, "up", 1, ("asyncio",)),
    Planted("a block leaves its task", block_leaves_its_task, "blocks", 0),
)
