"""Cancelled at any await: no lock, file or socket stays, and the next call gets its credentials."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import Credentials
from anycreds._system.io import SystemRuntime
from anycreds.testing import FakeAWS
from robustness.environment import KINDS, Stage, cognito_pools
from support.coroutine_stepper import stepped
from support.raw_http_server import closed

LOOPS = ("asyncio", "trio")
WAIT = 1.0  # seconds in which a thread lets go of what it holds; nearly always no time at all


async def is_free(path: Path) -> bool:
    """Tell whether a file can be locked soon."""
    async with SystemRuntime().open_io() as io, io.file_lock(str(path), WAIT) as problem:
        return problem is None


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("in_a_hurry")
async def test_at_every_await(aws: FakeAWS, isolated: Path, kind: str) -> None:
    """Cancelled before each step: nothing is left behind, and the same provider, asked again, answers."""
    step = 0
    is_cancelled = True
    while is_cancelled:
        stage = Stage(aws, isolated)
        provider = stage.provider(kind)
        with anyio.CancelScope() as scope:

            def before(at: int, wanted: int = step, scope: anyio.CancelScope = scope) -> None:
                if at == wanted:
                    scope.cancel()

            await stepped(provider(), before)
        is_cancelled = scope.cancel_called
        if KINDS[kind].refreshes:
            assert await is_free(stage.path(kind))
            assert not list(stage.path(kind).parent.glob(".anycreds*"))
        assert await closed(aws)
        assert isinstance(await provider(), Credentials)
        step += 1
    assert step > 5  # else nothing was awaited


@pytest.mark.anyio
@pytest.mark.parametrize("kind", KINDS)
async def test_leader_is_cancelled(aws: FakeAWS, stage: Stage, kind: str) -> None:
    """The first of ten callers is cancelled while a service is asked: the others get what it asked for."""
    provider = anycreds.cached(stage.provider(kind))
    aws.latency = 0.01
    got: list[Credentials] = []
    first = anyio.CancelScope()

    async def leader() -> None:
        with first:
            await provider()

    async def ask() -> None:
        got.append(await provider())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leader)
        await anyio.sleep(0.002)
        for _ in range(9):
            tasks.start_soon(ask)
        first.cancel()
    assert len(got) == 9
    assert len(set(map(id, got))) == 1
    assert aws.count(KINDS[kind].route) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_loops_in_threads(isolated: Path, kind: str) -> None:
    """One provider, asked by loops of two kinds in four threads at once, answers all; a token is refreshed once."""
    with FakeAWS.in_thread(cognito_pools=cognito_pools()) as aws:
        stage = Stage(aws, isolated)
        stage.token_lifetime = -5.0
        provider = stage.provider(kind)
        together = threading.Barrier(4)
        got: list[Credentials] = []

        async def main() -> None:
            together.wait(5)
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask)

        async def ask() -> None:
            got.append(await provider())

        threads = [threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": name}) for name in LOOPS * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(got) == 12
        assert aws.reused_refresh_tokens == 0
        if KINDS[kind].refreshes:
            assert aws.count(KINDS[kind].route) == 1


@pytest.mark.anyio
@pytest.mark.skipif(os.name != "posix", reason="stops a process")
@pytest.mark.parametrize("kind", ["sso refresh", "login"])
async def test_lock_of_a_program_that_stands_still(
    aws: FakeAWS, stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A lock whose holder never goes on holds nobody up for longer than a lock is waited for."""
    monkeypatch.setattr("anycreds._providers.service.token_cache.LOCK_SECONDS", 0.02)
    provider = stage.provider(kind)
    async with SystemRuntime().open_io() as io, io.file_lock(str(stage.path(kind)), 1) as problem:
        assert problem is None
        assert isinstance(await provider(), Credentials)
    assert aws.count(KINDS[kind].route) == 1
