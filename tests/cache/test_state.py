"""The refreshes of several event loops in the state of one cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest

from anycreds._cache.outcome import ABANDONED, Outcome
from anycreds._cache.refresh import InFlightRefresh
from anycreds._cache.refresh_results import FIRST_BACKOFF
from anycreds._cache.refresh_windows import CacheOptions
from anycreds._cache.state import CacheState
from anycreds._cache.waiting import Refresh
from anycreds._core.provider import NO_CONTEXT, Provider
from support.fake_io import FakeIo, FakeRuntime
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio


class LoopRuntime(FakeRuntime):
    """A runtime on which some loops are closed."""

    closed: Hashable = None

    def is_loop_closed(self, run: Hashable) -> bool:
        return run == self.closed

    def call_soon(self, loop: Hashable, function: Callable[[], object]) -> bool:
        return loop != self.closed and super().call_soon(loop, function)


def new_state() -> tuple[CacheState, LoopRuntime]:
    runtime = LoopRuntime(FakeIo())
    return CacheState(Provider("a source", runtime), runtime, CacheOptions(), NO_CONTEXT), runtime


def planned(state: CacheState, loop: str, **options: bool) -> InFlightRefresh:
    """Return the refresh that a caller of this loop has to start."""
    new = state.plan_call(loop, None, has_waited=False, force=True, **options).new
    assert new is not None
    return new


def started(state: CacheState, loop: str, **options: bool) -> InFlightRefresh:
    """Return a refresh that is in progress for all loops."""
    new = planned(state, loop, **options)
    assert state.share_refresh(new)
    new.has_started = True
    return new


def joined(state: CacheState, loop: str, **options: bool) -> Refresh | None:
    """Return the refresh that a caller of this loop waits for."""
    return state.plan_call(loop, None, has_waited=False, force=True, **options).refresh


async def test_loops_share_a_refresh() -> None:
    """A refresh is in progress for all loops, which have one object each for it, until it ends."""
    state, _ = new_state()
    first = started(state, "one")
    second = state.refresh_for("two")
    assert second is not None
    assert (second.loop, second.is_remote, state.refreshes.own("two")) == ("two", True, None)
    assert (state.refresh_for("one"), state.refresh_for("two"), joined(state, "two")) == (first, second, second)
    first.finish(Outcome(make_credentials("A", None)))
    assert second.outcome == first.outcome
    assert (state.refresh_for("one"), state.refresh_for("two")) == (None, None)


async def test_only_one_of_two_plans_is_shared() -> None:
    """Of two loops that decide at the same time, one starts its refresh, and the other one decides again."""
    state, _ = new_state()
    plans = [planned(state, loop) for loop in ("one", "two")]
    assert [state.share_refresh(plan) for plan in plans] == [True, False]
    assert joined(state, "two") is not plans[1]
    assert not state.refreshes.is_planned("two")


async def test_end_of_a_refresh_voids_plans() -> None:
    """A caller that decided before another loop's refresh ended decides again."""
    state, _ = new_state()
    late = planned(state, "two")
    started(state, "one").finish(Outcome(make_credentials("A", None)))
    assert not state.share_refresh(late)


async def test_refresh_of_a_closed_loop_is_dropped() -> None:
    """A refresh is dropped with its closed loop, and its waiters in other loops decide again."""
    state, runtime = new_state()
    started(state, "one")
    remote = state.refresh_for("two")
    assert remote is not None
    runtime.closed = "one"
    assert state.refresh_for("two") is None
    assert remote.outcome is ABANDONED
    other = started(state, "three")
    assert state.refreshes.own("one") is None
    assert state.refresh_for("three") is other


async def test_caller_may_prefer_its_own_loop() -> None:
    """A caller that prefers its own loop joins no refresh of another one, unless that one was started in this way."""
    state, _ = new_state()
    first = started(state, "one")
    assert joined(state, "two") is not first
    second = started(state, "two", prefer_own=True)
    for options in ({}, {"prefer_own": True}):
        remote = joined(state, "three", **options)
        assert remote is not None
        assert remote._waits_for == [second]
    assert joined(state, "one") is first


async def test_pause_is_a_second_at_most() -> None:
    """A caller whose time is older than the end of another thread's call does not wait longer than a second."""
    state, _ = new_state()
    state.refreshes.last_call_ended = state.now.monotonic + 100.0
    assert planned(state, "one")._delay == FIRST_BACKOFF
