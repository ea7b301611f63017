"""Cancellation at any await leaves no lock, file or socket, and the next call succeeds."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import Credentials
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import FakeAWS
from robustness.environment import KINDS, Environment, cognito_pools
from support.coroutine_stepper import reaches_step
from support.event_loops import each_loop
from support.raw_http_server import closed

pytestmark = pytest.mark.realtime

LOOPS = ("asyncio", "trio")
WAIT = 1.0  # seconds for a thread to release a lock; usually it takes none


async def is_free(path: Path) -> bool:
    """Return whether a file can be locked within a second."""
    async with SystemRuntime().open_io("test") as io, io.file_lock(str(path), WAIT) as problem:
        return problem is None


@pytest.mark.fault("C01")
@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("without_delays")
async def test_cancellation_at_every_await(aws: FakeAWS, isolated: Path, kind: str) -> None:
    """Cancelled before each step, a provider leaves nothing behind, and the next call succeeds."""
    step = 0
    is_cancelled = True
    while is_cancelled:
        environment = Environment(aws, isolated)
        provider = environment.provider(kind)
        is_cancelled = await reaches_step(provider(), step)
        if KINDS[kind].refreshes:
            assert await is_free(environment.path(kind))
            assert not list(environment.path(kind).parent.glob(".anycreds*"))
        assert await closed(aws)
        assert isinstance(await provider(), Credentials)
        step += 1
    assert step > 4  # fewer would mean that nothing was awaited


@pytest.mark.fault("C01")
@pytest.mark.anyio
@each_loop
@pytest.mark.parametrize("kind", KINDS)
async def test_cancelling_the_first_of_ten_callers(aws: FakeAWS, environment: Environment, kind: str) -> None:
    """If the first of ten callers is cancelled during the request, the others get its credentials."""
    provider = anycreds.cached(environment.provider(kind))
    aws.latency = 0.01
    got: list[Credentials] = []
    first = anyio.CancelScope()

    async def leader() -> None:
        with first:
            await provider()

    async def call() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leader)
        await anyio.sleep(0.002)
        for _ in range(9):
            tasks.start_soon(call)
        first.cancel()
    assert len(got) == 9
    assert len(set(map(id, got))) == 1
    assert aws.count(KINDS[kind].route) == 1


@pytest.mark.fault("C05")
@pytest.mark.parametrize("kind", KINDS)
def test_event_loops_in_threads_share_one_provider(isolated: Path, kind: str) -> None:
    """Event loops of two kinds in four threads share one provider; a token is refreshed once."""
    with FakeAWS.in_thread(cognito_pools=cognito_pools()) as aws:
        environment = Environment(aws, isolated)
        environment.token_lifetime = -5.0
        provider = environment.provider(kind)
        together = threading.Barrier(4)
        got: list[Credentials] = []

        async def main() -> None:
            together.wait(20)
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(call)

        async def call() -> None:
            got.append(await provider())

        threads = [threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name}) for name in LOOPS * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(got) == 12
        assert aws.reused_refresh_tokens == 0
        if KINDS[kind].refreshes:
            assert aws.count(KINDS[kind].route) == 1
