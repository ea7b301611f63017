"""The refreshes of several event loops in the state of one cache."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from anycreds._cache.outcome import Outcome
from anycreds._cache.refresh_windows import CacheOptions
from anycreds._cache.state import CacheState
from anycreds._core.provider import NO_CONTEXT, Provider
from support.fake_io import FakeIo, FakeRuntime
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio


class LoopRuntime(FakeRuntime):
    """A runtime on which some loops are closed."""

    closed: Hashable = None

    def is_loop_closed(self, run: Hashable) -> bool:
        return run == self.closed


async def test_each_loop_has_its_own_refresh() -> None:
    """A refresh belongs to its loop: others start and end without it, and it is dropped with its closed loop only."""
    runtime = LoopRuntime(FakeIo())
    state = CacheState(Provider("a source", runtime), runtime, CacheOptions(), NO_CONTEXT)
    first, second = (state.plan_call(loop, None, has_waited=False, force=False).refresh for loop in ("one", "two"))
    assert first is not None
    assert second is not None
    first.has_started = second.has_started = True
    assert (first.loop, second.loop) == ("one", "two")
    assert (state.refresh_for("one"), state.refresh_for("two")) == (first, second)
    state.apply_outcome(first, Outcome(make_credentials("A", None)))
    assert (state.refresh_for("one"), state.refresh_for("two")) == (None, second)
    runtime.closed = "two"
    third = state.plan_call("three", None, has_waited=False, force=True).refresh
    assert third is not None
    third.has_started = True
    assert (state.refresh_for("two"), state.refresh_for("three")) == (None, third)
