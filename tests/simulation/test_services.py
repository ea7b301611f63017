"""Calls to services end at their exact second, whatever a service does, and their repetitions keep to their schedule.

In virtual time. The profile is given, as reading files takes threads, which know nothing of virtual time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest

import anycreds
from anycreds import CachedProvider, ClientConfig, Credentials, CredentialsError, ProviderTimeoutError, RetrievalError
from anycreds._config.service_settings import ProfileView
from anycreds._core.callbacks import Callbacks
from anycreds._core.provider import Provider
from anycreds._providers.cognito.provider import CognitoIdentityProvider
from anycreds._providers.service.endpoint_resolution import EndpointResolver
from anycreds._providers.sts.assume_role import AssumeRoleProvider, Role
from anycreds._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider
from anycreds._system.io import SystemRuntime
from anycreds.testing import FakeAWS, Forever, Hang, MemoryNetwork, ServiceError, Step, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401

pytestmark = pytest.mark.anyio

HOST = "services.example.com"
ROLE = "arn:aws:iam::123456789012:role/Demo"
TIMEOUT, ATTEMPTS = 5.0, 3  # the defaults

# Whatever this is, it brings no answer within five seconds.
TOO_SLOW: dict[str, list[Step]] = {
    "connect is not answered": [("ignore",)],
    "accepted, then silent": [("hang",)],
    "silent after half a head": [("send", b"HTTP/1.1 200 OK\r\nX: "), ("hang",)],
    "silent after the head": [("send", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), ("hang",)],
    "head drips": [("send", b"HTTP/1.1 200 OK\r\nX: "), ("drip", b"x", 0.5, None)],
    "body drips": [("send", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), ("drip", b"x", 0.01, 9999)],
    "informational answers": [("drip", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.01, None)],
    "a little late": [("sleep", 5.001), ("send", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
}


class World:
    """The providers of one test: in memory, under one virtual clock."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.clock = VirtualClock()
        self.aws = FakeAWS(clock=self.clock, cognito_pools={"eu-west-1:pool": {}})
        self.world = SystemRuntime(self.clock)
        self.network = network
        network.serve(self.aws, HOST)

    @property
    def places(self) -> EndpointResolver:
        return EndpointResolver(ClientConfig(region="eu-west-1", endpoint_url=f"http://{HOST}"), view=ProfileView())

    def role(self, source: Provider | None = None, callbacks: Callbacks | None = None, **params: object) -> Provider:
        if source is None:
            [(key, secret)] = self.aws.keys.items()

            async def keys() -> Credentials:
                return Credentials(key, secret)

            source = anycreds.create_credential_chain(keys)
        role = Role({"RoleArn": ROLE, **params}, "the role")
        return AssumeRoleProvider(self.world, role, source, self.places, callbacks=callbacks or Callbacks())

    def web(self) -> Provider:
        options = WebIdentityOptions(self.aws.web_identity_token(), params={"RoleArn": ROLE})
        return WebIdentityProvider(self.world, options, self.places)

    def cognito(self) -> Provider:
        return CognitoIdentityProvider(self.world, "eu-west-1:00000000-0000-4000-8000-000000000001", self.places)

    def cached(self, provider: Provider) -> CachedProvider:
        return anycreds.cached(provider, clock=self.clock)


@pytest.fixture
def world() -> Iterator[World]:
    with MemoryNetwork() as network:
        yield World(network)


async def timed(ask: Callable[[], Awaitable[Credentials]]) -> tuple[Credentials | CredentialsError, float]:
    begun = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await ask()
    except CredentialsError as error:
        outcome = error
    return outcome, round(anyio.current_time() - begun, 3)


@pytest.mark.parametrize("kind", ["role", "web", "cognito"])
@pytest.mark.parametrize("slow", TOO_SLOW.values(), ids=TOO_SLOW)
async def test_silence_ends_after_three_times_five_seconds(world: World, kind: str, slow: list[Step]) -> None:
    """A service that brings nothing is asked three times, for 15 seconds in all, and every connection is closed."""
    world.network.script(HOST, 80, slow, forever=True)
    error, seconds = await timed(world.cached(getattr(world, kind)()))
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == ATTEMPTS * TIMEOUT
    assert HOST in str(error)
    assert all(connection.closed_at is not None for connection in world.network.connections)


@pytest.mark.parametrize("kind", ["role", "web", "cognito"])
async def test_refused_connections_are_tried_three_times(world: World, kind: str) -> None:
    """An address that refuses is tried three times within half a second: the pauses are 50 and 100 ms at most."""
    world.network.script(HOST, 80, [("refuse",)], forever=True)
    error, seconds = await timed(world.cached(getattr(world, kind)()))
    assert isinstance(error, RetrievalError)
    assert len(world.network.connections) == ATTEMPTS
    assert seconds <= 0.15


async def test_throttling_is_waited_out(world: World) -> None:
    """Throttled twice and then served: after pauses of at most one and two seconds."""
    world.aws.script("assume role", *[ServiceError(400, "Throttling", "Rate exceeded")] * 2)
    credentials, seconds = await timed(world.cached(world.role()))
    assert isinstance(credentials, Credentials)
    assert seconds <= 3.0
    assert world.aws.count("assume role") == ATTEMPTS


async def test_hang_and_then_an_answer(world: World) -> None:
    """One attempt that hangs costs its five seconds, and the next one brings the credentials."""
    world.aws.script("assume role", Hang())
    credentials, seconds = await timed(world.cached(world.role()))
    assert isinstance(credentials, Credentials)
    assert TIMEOUT <= seconds <= TIMEOUT + 0.05


async def test_chain_of_three_roles(world: World) -> None:
    """Three roles use one connection; if STS is silent, the innermost ends it, after its own 15 seconds."""
    credentials, seconds = await timed(world.cached(world.role(world.role(world.role()))))
    assert isinstance(credentials, Credentials)
    assert seconds == 0
    assert len(world.network.connections) == 1
    world.aws.script("assume role", Forever(Hang()))
    error, seconds = await timed(world.cached(world.role(world.role(world.role()))))
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == ATTEMPTS * TIMEOUT


async def test_person_and_silent_service(world: World) -> None:
    """Four minutes for the code and five seconds of silence: the one call with it ends, and is not repeated."""

    async def mfa(serial: str) -> str:
        await anyio.sleep(240)
        return "731946"

    world.aws.script("assume role", Forever(Hang()))
    error, seconds = await timed(
        world.cached(world.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x"))
    )
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == 240 + TIMEOUT
    assert world.aws.count("assume role") == 1


@pytest.mark.parametrize("persons", [299.0, 301.0])
async def test_person_has_five_minutes(world: World, persons: float) -> None:
    """A code that comes within five minutes is used; after that it is an error that says who was asked."""

    async def mfa(serial: str) -> str:
        await anyio.sleep(persons)
        return "731946"

    outcome, seconds = await timed(
        world.cached(world.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x"))
    )
    assert seconds == min(persons, 300.0)
    if persons < 300:
        assert isinstance(outcome, Credentials)
    else:
        assert isinstance(outcome, ProviderTimeoutError)
        assert "mfa_code_provider" in str(outcome)


async def test_role_with_a_device_is_asked_for_when_it_has_ended(world: World) -> None:
    """Nobody is asked ahead of need: the set is served to its last second, and then the person is asked again."""
    asked: list[float] = []

    async def mfa(serial: str) -> str:
        asked.append(anyio.current_time())
        return f"{len(asked):06d}"

    world.aws.lifetime = 3600
    provider = world.cached(
        world.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x", DurationSeconds=3600)
    )
    first = await provider()
    begun = anyio.current_time()
    for _ in range(359):
        await anyio.sleep(10)
        assert await provider() == first
    assert len(asked) == 1
    await anyio.sleep(11)
    assert await provider() != first
    assert asked[1] - begun > 3600


async def test_hook_that_hangs_ends_with_the_flight(world: World) -> None:
    """A ``role_assumer`` that never returns is ended after a minute, and the error keeps no secret."""

    async def assumer(source: Credentials, params: object) -> Credentials:
        await anyio.sleep_forever()
        raise AssertionError

    error, seconds = await timed(world.cached(world.role(callbacks=Callbacks(None, assumer))))
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == 60
