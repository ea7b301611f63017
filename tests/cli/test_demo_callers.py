"""The callers of the demo call at the same moment, and the outcome of each is recorded."""

from __future__ import annotations

from typing import cast

import anyio
import pytest

from anycreds import CachedProvider, Credentials, NotConfiguredError
from anycreds._cli.demo import callers as demo_callers
from anycreds._cli.demo.callers import call_at_once, count_cancelled


class Stub:
    """A provider that returns when the test sets an event. The third call fails."""

    def __init__(self) -> None:
        self.calls = 0
        self.all_called = anyio.Event()
        self.response = anyio.Event()

    async def __call__(self) -> Credentials:
        self.calls += 1
        if self.calls == 20:
            self.all_called.set()
        if self.calls == 3:
            raise NotConfiguredError("nothing for the third")
        await self.response.wait()
        return Credentials("AKIATEST", "canary-secret")


@pytest.mark.realtime
@pytest.mark.anyio
async def test_all_call_before_any_returns_and_some_are_cancelled() -> None:
    """Every tenth caller, including the first, is cancelled; the others return or fail."""
    stub = Stub()

    async def respond() -> None:
        await stub.all_called.wait()
        await anyio.sleep(0.03)
        stub.response.set()

    callers = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(respond)
        callers += await call_at_once(cast(CachedProvider, stub), 20, 0.0, cancel_after=0.001)
    expected = ["returned"] * 20
    expected[0] = expected[10] = "cancelled"
    expected[2] = "failed"
    assert [caller.outcome for caller in callers] == expected
    returned = [caller for caller in callers if caller.outcome == "returned"]
    assert [caller.access_key_id for caller in returned] == ["AKIATEST"] * 17
    assert max(caller.called_at for caller in callers) < min(caller.ended_at or 0 for caller in returned)
    assert [number for number, caller in enumerate(callers) if caller.cancelled_at is not None] == [0, 10]
    assert callers[2].error == "nothing for the third"


@pytest.mark.anyio
async def test_caller_that_never_returns_is_recorded_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that hangs does not make the demo hang: its callers are recorded as waiting."""
    monkeypatch.setattr(demo_callers, "SCENARIO_TIMEOUT", 0.02)
    callers = await call_at_once(cast(CachedProvider, Stub()), 2, 0.0, cancel_after=None)
    assert [(caller.outcome, caller.ended_at) for caller in callers] == [("waiting", None)] * 2


def test_count_of_cancelled_callers() -> None:
    """A tenth of the callers is cancelled, rounded up, but never all."""
    assert [count_cancelled(callers) for callers in (1, 2, 10, 11, 1000)] == [0, 1, 1, 2, 100]
