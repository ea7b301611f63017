"""Many tasks that call one provider at the same moment, and the record of what each of them observed."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter as now
from typing import Literal

import anyio

from ... import CachedProvider, CredentialsError

# Every tenth caller is cancelled, beginning with the very first, which has started the refresh.
CANCELLED_ONE_IN = 10
# A scenario takes half a second. A caller that still waits after this many seconds has been lost by the cache.
SCENARIO_TIMEOUT = 30.0


@dataclass(slots=True)
class Caller:
    """One task that calls the provider. Times are seconds of ``now()``."""

    called_at: float
    ended_at: float | None = None
    cancelled_at: float | None = None
    outcome: Literal["returned", "cancelled", "failed", "waiting"] = "waiting"
    access_key_id: str = ""
    error: str = ""

    async def call(self, provider: CachedProvider, scope: anyio.CancelScope) -> None:
        """Call the provider and record the outcome."""
        with scope:
            try:
                self.access_key_id = (await provider()).access_key_id
                self.ended_at, self.outcome = now(), "returned"
            except CredentialsError as error:
                self.ended_at, self.outcome, self.error = now(), "failed", str(error)
        if scope.cancelled_caught:
            self.ended_at, self.outcome = now(), "cancelled"


def count_cancelled(callers: int) -> int:
    """Return how many of the callers are cancelled. A single caller is not, because credentials must arrive."""
    return -(-callers // CANCELLED_ONE_IN) if callers > 1 else 0


async def call_at_once(provider: CachedProvider, count: int, start: float, cancel_after: float | None) -> list[Caller]:
    """Let all tasks call the provider in one turn of the event loop, at ``start`` if that is still to come.

    Some callers are cancelled ``cancel_after`` seconds later; None to cancel none. Returns them in the order of calls.
    """
    callers, scopes, started = list[Caller](), list[anyio.CancelScope](), 0
    all_started, gate, all_called = anyio.Event(), anyio.Event(), anyio.Event()

    async def task() -> None:
        nonlocal started
        started += 1
        if started == count:
            all_started.set()
        await gate.wait()
        scopes.append(scope := anyio.CancelScope())
        callers.append(caller := Caller(now()))
        if len(callers) == count:
            all_called.set()
        await caller.call(provider, scope)

    gc.disable()  # as timeit does: with many tasks one collection takes longer than the waits that are measured
    try:
        with anyio.move_on_after(None) as limit:
            async with anyio.create_task_group() as tasks:
                for _ in range(count):
                    tasks.start_soon(task)
                await all_started.wait()
                await anyio.sleep(max(0.0, start - now()))
                limit.deadline = anyio.current_time() + SCENARIO_TIMEOUT
                gate.set()
                await all_called.wait()
                if cancel_after is not None:
                    await anyio.sleep(cancel_after)
                    for number in range(0, count, CANCELLED_ONE_IN)[: count_cancelled(count)]:
                        callers[number].cancelled_at = now()
                        scopes[number].cancel()
    finally:
        gc.enable()
    return callers
