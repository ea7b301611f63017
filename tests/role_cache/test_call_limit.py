"""``max_concurrency``: how many calls of services the providers of a ``RoleCache`` make at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import pytest

import anycreds
from anycreds import (
    ClientConfig,
    ClientContext,
    Credentials,
    CredentialsError,
    Provider,
    ProviderTimeoutError,
    RetrievalError,
    RoleCache,
)
from anycreds._core.io import Io
from anycreds._factories.runtime import RUNTIME
from anycreds._system.call_limit import MAX_WAIT
from anycreds.testing import (
    CANARY,
    VIRTUAL_BACKENDS,
    FakeAWS,
    MemoryNetwork,
    ServiceError,
    VirtualClock,
    virtual_backend,
)
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.fake_source import make_credentials

pytestmark = pytest.mark.anyio

HOST = "sts.example.com"
LATENCY = 0.5


class Service:
    """A service that counts the calls that are in progress, each of which takes some seconds."""

    def __init__(self, latency: float = LATENCY) -> None:
        self.clock = VirtualClock()
        self.latency = latency
        self.calls = self.running = self.most = 0
        self.errors: list[CredentialsError] = []

    async def call(self, io: Io) -> Credentials:
        async with io.service_call():
            self.calls += 1
            self.running += 1
            self.most = max(self.most, self.running)
            try:
                await io.sleep(self.latency)
                if self.errors:
                    raise self.errors.pop()
            finally:
                self.running -= 1
        return make_credentials(str(self.calls), self.clock.time() + 3600)

    def roles(self, max_concurrency: int) -> RoleCache[Any]:
        return RoleCache(lambda _: Role(self), max_concurrency=max_concurrency, clock=self.clock)


class Role(Provider):
    """A provider that calls the service once, after its source, if it has one."""

    __slots__ = ("_service", "_source")

    def __init__(self, service: Service, source: Provider | None = None) -> None:
        super().__init__("role", RUNTIME)
        self._service = service
        self._source = source

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        if self._source is not None:
            await self._source._fetch(io, context)
        return await self._service.call(io)


async def call_all(roles: RoleCache[Any], count: int) -> float:
    """Await so many keys at once. Return in how many seconds all have credentials."""
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for key in range(count):
            tasks.start_soon(roles, key)
    return anyio.current_time() - started


async def test_never_more_calls_than_the_limit() -> None:
    """Each of many cold roles makes one call, and twenty of the calls are in progress at any time."""
    service = Service()
    seconds = await call_all(service.roles(20), 400)
    assert (service.calls, service.most) == (400, 20)
    assert seconds == pytest.approx(400 / 20 * LATENCY)


async def test_the_limit_is_that_of_one_role_cache() -> None:
    """Other providers and other role caches are not limited."""
    service = Service()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_all, service.roles(2), 10)
        tasks.start_soon(call_all, service.roles(3), 10)
        for _ in range(4):
            tasks.start_soon(anycreds.cached(Role(service), clock=service.clock))
    assert (service.calls, service.most) == (24, 9)


async def test_statistics_show_calls() -> None:
    """The statistics count the calls that are in progress, and those that wait."""
    service = Service()
    roles = service.roles(4)
    assert roles.statistics[3:] == (0, 0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call_all, roles, 10)
        await anyio.sleep(LATENCY / 2)
        assert roles.statistics == (10, 10, 0, 4, 6)
    assert roles.statistics[3:] == (0, 0)


@pytest.mark.parametrize("kind", ["cached", "in the same attempt", "function"])
async def test_role_whose_source_is_a_role_of_the_cache(kind: str) -> None:
    """With a limit of one call, roles get credentials whose source is another role of the same cache."""
    service = Service()

    def provider_for(key: int) -> Any:
        if key < 0:
            return Role(service)
        source = Role(service) if kind == "in the same attempt" else roles.provider(-1)
        if kind != "function":
            return Role(service, source)

        async def function() -> Credentials:
            await source()
            return await roles.provider(-2)()

        return function

    roles: RoleCache[int] = RoleCache(provider_for, max_concurrency=1, clock=service.clock)
    await call_all(roles, 5)
    assert service.most == 1
    assert service.calls == {"cached": 6, "in the same attempt": 10, "function": 2}[kind]


async def test_waiting_does_not_count_against_the_attempt() -> None:
    """A call that waits for four minutes still has the whole minute of an attempt."""
    service = Service(latency=59.0)
    assert await call_all(service.roles(1), 5) == pytest.approx(5 * 59)
    assert service.calls == 5


async def test_a_call_does_not_wait_for_ever() -> None:
    """A call that has waited for five minutes fails with an error that names the limit, and ends no other call."""
    service = Service(latency=59.0)
    roles = service.roles(1)
    errors: list[ProviderTimeoutError] = []

    async def call(key: int) -> None:
        try:
            await roles(key)
        except ProviderTimeoutError as error:
            errors.append(error)
            assert anyio.current_time() == pytest.approx(MAX_WAIT)

    async with anyio.create_task_group() as tasks:
        for key in range(8):
            tasks.start_soon(call, key)
    assert service.calls == 6
    expected = "role: waited 300 s for one of 1 calls (max_concurrency) to end"
    assert [f"{error.source}: {error.message}" for error in errors] == [expected] * 2
    assert roles.statistics[3:] == (0, 0)


async def test_cancelled_while_waiting() -> None:
    """A block that ends while its refresh waits for the limit leaves at once, and no place is lost."""
    service = Service(latency=10.0)
    roles = service.roles(1)

    async def enter(key: str, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            async with roles.provider(key).keep_fresh():
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(roles, "first")
        await anyio.sleep(1)
        tasks.start_soon(enter, "left", 2.0)
        await anyio.sleep(4)
    assert anyio.current_time() == pytest.approx(10)
    await anyio.sleep(60)
    assert roles.statistics[3:] == (0, 0)
    assert (await roles("first")) is (await roles("first"))


async def test_callers_that_leave_while_they_wait() -> None:
    """Callers that are cancelled while their calls wait lose no place: all calls are made, and later ones too."""
    service = Service()
    roles = service.roles(2)
    with anyio.move_on_after(LATENCY):  # the moment in which the first calls end
        await call_all(roles, 20)
    await anyio.sleep(60)
    assert (service.calls, service.most) == (20, 2)
    await call_all(roles, 30)
    assert (service.calls, service.most) == (30, 2)


async def test_failures_free_their_places() -> None:
    """Calls that fail make room for others."""
    service = Service()
    roles = service.roles(2)
    service.errors = [RetrievalError("denied")] * 3
    failed: list[int] = []

    async def call(key: int) -> None:
        try:
            await roles(key)
        except RetrievalError:
            failed.append(key)

    async with anyio.create_task_group() as tasks:
        for key in range(6):
            tasks.start_soon(call, key)
    assert (len(failed), service.calls, service.most) == (3, 6, 2)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAWS]:
    """Serve STS in memory, with the keys of its user in the environment."""
    aws = FakeAWS(clock=VirtualClock())
    [(key, secret)] = aws.keys.items()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    with MemoryNetwork() as network:
        network.serve(aws, HOST)
        yield aws


def sts_roles(aws: FakeAWS, **options: Any) -> RoleCache[Any]:
    """Return the roles of the fake."""
    base = anycreds.cached(anycreds.from_env(), clock=aws.clock)
    config = ClientConfig(region="eu-west-1", endpoint_url=f"http://{HOST}")
    make = partial(anycreds.from_temporary_credentials, source_credentials=base, client_config=config)
    return RoleCache(lambda key: make(f"arn:aws:iam::123456789012:role/{key}"), clock=aws.clock, **options)


async def test_throttled_roles_keep_their_place(aws: FakeAWS) -> None:
    """While STS throttles a role, its delays keep its place, so that waiting roles do not make it worse."""
    aws.script("assume role", *[ServiceError(400, "Throttling")] * 2)
    roles = sts_roles(aws, max_concurrency=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(roles, "red")
        await anyio.sleep(0.1)
        tasks.start_soon(roles, "green")
        await anyio.sleep(0.1)
        assert (aws.count("assume role"), roles.statistics[3:]) == (1, (1, 1))
    assert aws.count("assume role") == 4


async def test_waiting_is_not_part_of_the_time_of_a_call(aws: FakeAWS) -> None:
    """A role that has waited for longer than all its attempts may take is called, with a new signature."""
    service = Service(latency=55.0)
    slow = Role(service)
    arn = "arn:aws:iam::123456789012:role/Demo"
    config = ClientConfig(region="eu-west-1", endpoint_url=f"http://{HOST}")
    fast = anycreds.from_temporary_credentials(arn, source_credentials=anycreds.from_env(), client_config=config)
    roles: RoleCache[int] = RoleCache(lambda key: fast if key == 9 else slow, max_concurrency=1, clock=aws.clock)
    async with anyio.create_task_group() as tasks:
        for key in (1, 2, 3, 9):
            tasks.start_soon(roles, key)
            await anyio.sleep(1)
    assert anyio.current_time() >= 3 * 55.0
    assert CANARY in (await roles(9)).secret_access_key


def test_each_event_loop_has_its_own_limit() -> None:
    """Event loops in several threads do not wait for each other, and are counted together."""
    roles: RoleCache[Any] = RoleCache(lambda _: Role(service), max_concurrency=1)
    both = threading.Barrier(2, timeout=10)
    counts: list[tuple[int, ...]] = []

    class Meeting(Service):
        async def call(self, io: Io) -> Credentials:
            async with io.service_call():
                both.wait()
                counts.append(roles.statistics[3:])
                both.wait()
            return Credentials("AKID", CANARY)

    service = Meeting()
    threads = [threading.Thread(target=anyio.run, args=(roles, key)) for key in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [(2, 0)] * 2
    assert roles.statistics[3:] == (0, 0)


@pytest.mark.parametrize("backend", VIRTUAL_BACKENDS)
def test_a_run_that_ends_while_calls_wait(backend: str) -> None:
    """A run that ends while calls are in progress and others wait leaves nothing behind, and the next one is served."""
    service = Service(latency=1000.0)
    roles = service.roles(2)

    async def leave() -> None:
        with anyio.move_on_after(1):
            await call_all(roles, 10)

    name, options = virtual_backend(backend)
    anyio.run(leave, backend=name, backend_options=options)
    assert roles.statistics[3:] == (0, 0)
    service.latency, service.most = 0.1, 0
    name, options = virtual_backend(backend)
    anyio.run(call_all, roles, 10, backend=name, backend_options=options)
    assert service.most == 2
