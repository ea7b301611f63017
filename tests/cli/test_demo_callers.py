"""The demo's tasks: they ask in one instant, and what became of each is told apart."""

from __future__ import annotations

from typing import cast

import anyio
import pytest

from anycreds import CachedProvider, Credentials, NotConfiguredError
from anycreds._cli.demo import callers as _demo_callers
from anycreds._cli.demo.callers import Call, Outcome, ask_at_once, to_cancel


class Stub:
    """A provider whose answer the test lets out."""

    def __init__(self) -> None:
        self.asked = 0
        self.all_asked = anyio.Event()
        self.answer = anyio.Event()

    async def __call__(self) -> Credentials:
        self.asked += 1
        if self.asked == 20:
            self.all_asked.set()
        if self.asked == 3:
            raise NotConfiguredError("nothing for the third")
        await self.answer.wait()
        return Credentials("AKIATEST", "canary-secret")


async def at_once() -> None:
    """Start without waiting."""


def outcomes(calls: list[Call]) -> list[Outcome]:
    return [call.outcome for call in calls]


@pytest.mark.anyio
async def test_all_ask_before_any_is_answered_and_some_are_cancelled() -> None:
    """Every tenth in the order of asking, the first too, is cancelled; the others are served, or failed, as it came."""
    stub = Stub()

    async def let_out() -> None:
        await stub.all_asked.wait()
        await anyio.sleep(0.03)
        stub.answer.set()

    calls: list[Call] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(let_out)
        calls += await ask_at_once(cast(CachedProvider, stub), 20, at_once, cancel_after=0.001)
    expected: list[Outcome] = ["served"] * 20
    expected[0] = expected[10] = "cancelled"
    expected[2] = "failed"
    assert outcomes(calls) == expected
    assert [call.key for call in calls if call.outcome == "served"] == ["AKIATEST"] * 17
    assert max(call.asked for call in calls) < min(call.ended for call in calls if call.outcome == "served")
    assert all(call.cancelled_at is not None for call in calls if call.outcome == "cancelled")
    assert calls[2].problem == "nothing for the third"


@pytest.mark.anyio
async def test_who_is_never_answered_is_counted_as_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that hangs does not make the demo hang: those who still wait are let go, and told apart."""
    monkeypatch.setattr(_demo_callers, "LONGEST_ACT", 0.02)
    calls = await ask_at_once(cast(CachedProvider, Stub()), 2, at_once, cancel_after=None)
    assert outcomes(calls) == ["forgotten", "forgotten"]


def test_how_many_are_cancelled() -> None:
    """A tenth, rounded up, but never all."""
    assert [to_cancel(callers) for callers in (1, 2, 10, 11, 1000)] == [0, 1, 1, 2, 100]
