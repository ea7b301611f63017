"""Processes with one entry on disk: how often their source is called, also in outages and with clock steps.

Each process has its own provider, cache and random numbers. The disk is in memory, with the virtual clock.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest

from anycreds import CredentialsError, RetrievalError
from anycreds._cache.provider import CachedProvider
from anycreds._cache.refresh_windows import CacheOptions
from anycreds._config.settings import Setting
from anycreds._core.io import PrivateFile, ReadFailure, Signature, WriteFailure
from anycreds._providers.disk_cache.provider import DiskCachedProvider
from anycreds._providers.disk_cache.settings import DiskCacheSettings
from anycreds._providers.function import FunctionProvider
from anycreds._system.deadlines import Attempt
from anycreds._system.io import SystemIo
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget
from support.fake_source import FakeSource

pytestmark = [pytest.mark.anyio, pytest.mark.weak_error_references]

MINUTE, HOUR = 60.0, 3600.0
PROCESSES = 8  # forty in `nox -s soak`


class Disk:
    """The files and locks of one machine."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.files: dict[str, tuple[bytes, float]] = {}
        self.locks: dict[str, anyio.Lock] = {}


class DiskIo(SystemIo):
    """The real ``Io``, with that disk."""

    def __init__(self, runtime: Process, attempt: Attempt | None) -> None:
        super().__init__(runtime, runtime.environ(), attempt)
        self.disk = runtime.disk

    async def read_private(self, path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        await anyio.sleep(0.001)
        if path not in self.disk.files:
            return ReadFailure("does not exist", is_missing=True)
        content, modified_at = self.disk.files[path]
        return PrivateFile(content, False, (), modified_at)

    async def write_private(
        self, path: str, content: bytes, replaces: Signature | None = None, *, follow_link: bool = True
    ) -> WriteFailure | None:
        await anyio.sleep(0.001)
        self.disk.files[path] = (content, self.time())
        return None

    @asynccontextmanager
    async def file_lock(self, path: str, seconds: float) -> AsyncIterator[WriteFailure | None]:  # type: ignore[override]
        lock = self.disk.locks.setdefault(path, anyio.Lock())
        with anyio.move_on_after(seconds):
            await lock.acquire()
        if lock.statistics().owner != anyio.get_current_task():
            yield WriteFailure("has been locked", is_busy=True)
            return
        try:
            yield None
        finally:
            lock.release()


class Process(SystemRuntime):
    """The runtime of one process."""

    def __init__(self, disk: Disk, number: int) -> None:
        super().__init__(disk.clock, {"HOME": "/home/user"})
        self.disk = disk
        self.jitter = random.Random(number).random

    def open_io(self, name: str, timeout: float | None = None) -> SystemIo:
        return DiskIo(self, None if timeout is None else Attempt(timeout, name))


def processes(
    disk: Disk, source: FakeSource, budget: Budget, refresh_window: float | None = None
) -> list[CachedProvider]:
    """Return the cached provider of each process."""
    settings = DiskCacheSettings(Setting("~/.aws/cli/cache", "option directory"), "a")
    options, providers = CacheOptions(refresh_window), []
    for number in range(min(40, budget.count(PROCESSES))):
        runtime = Process(disk, number)
        function = FunctionProvider(runtime, source)
        providers.append(CachedProvider(DiskCachedProvider(runtime, function, settings), runtime, options))
    return providers


async def use(providers: list[CachedProvider], clock: VirtualClock, until: float, pause: float = MINUTE) -> int:
    """Let each process use its provider after random pauses, until a time. Return how many calls failed."""
    failed = 0

    async def work(provider: CachedProvider, number: int) -> None:
        nonlocal failed
        chance = random.Random(-number)
        while clock.monotonic() < until:
            await anyio.sleep(chance.uniform(0, 2 * pause))
            try:
                credentials = await provider()
            except CredentialsError:
                failed += 1
            else:
                assert credentials.expiration is not None
                assert credentials.expiration.timestamp() > clock.time()

    async with anyio.create_task_group() as tasks:
        for number, provider in enumerate(providers):
            tasks.start_soon(work, provider, number)
    return failed


@pytest.mark.fault("L22")
@pytest.mark.parametrize(
    ("lifetime", "refresh_window", "longest", "shortest"),
    [
        (HOUR, None, 15 * MINUTE, 13.5 * MINUTE),
        (15 * MINUTE, None, 5 * MINUTE, 4.5 * MINUTE),
        (12 * HOUR, None, HOUR, 54 * MINUTE),
        (HOUR, 25 * MINUTE, 25 * MINUTE, 22.5 * MINUTE),
        (HOUR, 5 * MINUTE, 5 * MINUTE, 4.5 * MINUTE),
    ],
)
async def test_one_call_for_all_at_each_expiration(
    lifetime: float, refresh_window: float | None, longest: float, shortest: float, budget: Budget
) -> None:
    """All processes together call their source once per lifetime, in the window of their caches, whatever that is."""
    clock = VirtualClock()
    source = FakeSource(clock, life=lifetime, latency=0.2)
    start = clock.monotonic()
    providers = processes(Disk(clock), source, budget, refresh_window)
    pause = lifetime / 60
    assert await use(providers, clock, start + 3 * lifetime, pause) == 0
    gaps = [later - earlier for earlier, later in zip(source.started, source.started[1:], strict=False)]
    assert len(gaps) >= 2
    for gap in gaps:  # no process uses its provider at the moment in which a window begins
        assert lifetime - longest - 1 <= gap <= lifetime - shortest + 2 * pause


async def test_outage_is_noticed_by_no_caller(budget: Budget) -> None:
    """If the source fails from the first refresh on for a while, every call returns valid credentials."""
    clock = VirtualClock()
    source = FakeSource(clock, life=HOUR, latency=0.2)
    providers = processes(Disk(clock), source, budget)
    start = clock.monotonic()
    failed = await use(providers, clock, start + 40 * MINUTE)
    source.outcomes.extend([RetrievalError("the source is down")] * 1000)
    failed += await use(providers, clock, start + 55 * MINUTE)
    assert len(source.outcomes) < 1000
    source.outcomes.clear()
    failed += await use(providers, clock, start + 2 * HOUR)
    assert failed == 0


@pytest.mark.parametrize("step", [-2 * HOUR, -2 * MINUTE, 2 * MINUTE, 2 * HOUR])
async def test_clock_step_costs_one_call(step: float, budget: Budget) -> None:
    """After the wall clock was set, one process calls the source if the entry cannot be trusted, and all go on."""
    clock = VirtualClock()
    source = FakeSource(clock, life=HOUR, latency=0.2)
    disk = Disk(clock)
    start = clock.monotonic()
    await use(processes(disk, source, budget), clock, start + 10 * MINUTE)
    clock.step(step)
    assert await use(processes(disk, source, budget), clock, start + 20 * MINUTE) == 0
    assert source.calls == (1 if abs(step) < 10 * MINUTE else 2)  # the entry was written ten minutes ago


async def test_rejected_credentials_are_replaced_once(budget: Budget) -> None:
    """If a service rejects the credentials of all processes, one of them gets new ones for all."""
    clock = VirtualClock()
    source = FakeSource(clock, life=HOUR, latency=0.2)
    providers = processes(Disk(clock), source, budget)
    found: set[str] = set()

    async def retry(provider: CachedProvider) -> None:
        assert provider.invalidate(await provider())
        found.add((await provider()).access_key_id)

    for provider in providers:
        await provider()
    async with anyio.create_task_group() as tasks:
        for provider in providers:
            tasks.start_soon(partial(retry, provider))
    assert (source.calls, found) == (2, {"AKID2"})
