"""Timeouts and retries of service calls, under virtual time.

The profile is passed to the providers, because reading files takes threads, which do not work under virtual time.
"""

from __future__ import annotations

import itertools
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
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY, FakeAWS, Forever, Hang, MemoryNetwork, ServiceError, Step, VirtualClock
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.budget import Budget

pytestmark = pytest.mark.anyio

HOST = "services.example.com"
ROLE = "arn:aws:iam::123456789012:role/Demo"
TIMEOUT, ATTEMPTS = 5.0, 3  # the defaults

# None of these gives a complete response within five seconds.
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


class Environment:
    """The providers of one test, with a network in memory and a virtual clock."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.clock = VirtualClock()
        self.aws = FakeAWS(clock=self.clock, cognito_pools={"eu-west-1:pool": {}})
        self.runtime = SystemRuntime(self.clock)
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
        return AssumeRoleProvider(self.runtime, role, source, self.places, callbacks=callbacks or Callbacks())

    def web(self) -> Provider:
        options = WebIdentityOptions(self.aws.web_identity_token(), params={"RoleArn": ROLE})
        return WebIdentityProvider(self.runtime, options, self.places)

    def cognito(self) -> Provider:
        return CognitoIdentityProvider(self.runtime, "eu-west-1:00000000-0000-4000-8000-000000000001", self.places)

    def cached(self, provider: Provider) -> CachedProvider:
        return anycreds.cached(provider, clock=self.clock)


@pytest.fixture
def environment() -> Iterator[Environment]:
    with MemoryNetwork() as network:
        yield Environment(network)


async def timed(fetch: Callable[[], Awaitable[Credentials]]) -> tuple[Credentials | CredentialsError, float]:
    started = anyio.current_time()
    try:
        outcome: Credentials | CredentialsError = await fetch()
    except CredentialsError as error:
        outcome = error
    return outcome, round(anyio.current_time() - started, 3)


@pytest.mark.fault("U03", "U04")
@pytest.mark.parametrize("kind", ["role", "web", "cognito"])
async def test_silent_service_is_called_three_times(kind: str) -> None:
    """A silent service is called three times, for 15 seconds in total, and every connection is closed."""
    for name, slow in TOO_SLOW.items():
        with MemoryNetwork() as network:
            environment = Environment(network)
            network.script(HOST, 80, slow, forever=True)
            error, seconds = await timed(environment.cached(getattr(environment, kind)()))
        assert isinstance(error, ProviderTimeoutError), name
        assert seconds == ATTEMPTS * TIMEOUT, name
        assert HOST in str(error), name
        assert all(connection.closed_at is not None for connection in network.connections), name


@pytest.mark.fault("U01")
@pytest.mark.parametrize("kind", ["role", "web", "cognito"])
async def test_refused_connection_is_retried_twice(environment: Environment, kind: str) -> None:
    """A refused connection is retried twice, after pauses of at most 50 and 100 ms."""
    environment.network.script(HOST, 80, [("refuse",)], forever=True)
    error, seconds = await timed(environment.cached(getattr(environment, kind)()))
    assert isinstance(error, RetrievalError)
    assert len(environment.network.connections) == ATTEMPTS
    assert seconds <= 0.15


@pytest.mark.fault("U08")
async def test_throttled_request_is_retried(environment: Environment) -> None:
    """Throttled requests are retried after pauses of at most one and two seconds."""
    environment.aws.script("assume role", *[ServiceError(400, "Throttling", "Rate exceeded")] * 2)
    credentials, seconds = await timed(environment.cached(environment.role()))
    assert isinstance(credentials, Credentials)
    assert seconds <= 3.0
    assert environment.aws.count("assume role") == ATTEMPTS


async def test_request_after_one_that_hangs_gets_the_credentials(environment: Environment) -> None:
    """A request that hangs costs five seconds, and the next one gets the credentials."""
    environment.aws.script("assume role", Hang())
    credentials, seconds = await timed(environment.cached(environment.role()))
    assert isinstance(credentials, Credentials)
    assert TIMEOUT <= seconds <= TIMEOUT + 0.05


async def test_three_roles_use_one_connection(environment: Environment) -> None:
    """Three roles use one connection. If STS is silent, the innermost role fails after its own 15 seconds."""
    credentials, seconds = await timed(environment.cached(environment.role(environment.role(environment.role()))))
    assert isinstance(credentials, Credentials)
    assert seconds == 0
    assert len(environment.network.connections) == 1
    environment.aws.script("assume role", Forever(Hang()))
    error, seconds = await timed(environment.cached(environment.role(environment.role(environment.role()))))
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == ATTEMPTS * TIMEOUT


async def test_request_after_a_user_prompt_is_not_retried(environment: Environment) -> None:
    """After four minutes for the MFA code, the one request with it times out after five seconds, without a retry."""

    async def mfa(serial: str) -> str:
        await anyio.sleep(240)
        return "731946"

    environment.aws.script("assume role", Forever(Hang()))
    error, seconds = await timed(
        environment.cached(environment.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x"))
    )
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == 240 + TIMEOUT
    assert environment.aws.count("assume role") == 1


@pytest.mark.parametrize("prompt_seconds", [299.0, 301.0])
async def test_user_prompt_ends_after_five_minutes(environment: Environment, prompt_seconds: float) -> None:
    """An MFA code within five minutes is used. Afterwards the error names ``mfa_code_provider``."""

    async def mfa(serial: str) -> str:
        await anyio.sleep(prompt_seconds)
        return "731946"

    outcome, seconds = await timed(
        environment.cached(environment.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x"))
    )
    assert seconds == min(prompt_seconds, 300.0)
    if prompt_seconds < 300:
        assert isinstance(outcome, Credentials)
    else:
        assert isinstance(outcome, ProviderTimeoutError)
        assert "mfa_code_provider" in str(outcome)


async def test_user_is_prompted_only_after_expiration(environment: Environment) -> None:
    """The credentials are returned until they expire, and only then the user is prompted again."""
    prompts: list[float] = []

    async def mfa(serial: str) -> str:
        prompts.append(anyio.current_time())
        return f"{len(prompts):06d}"

    environment.aws.lifetime = 3600
    provider = environment.cached(
        environment.role(callbacks=Callbacks(mfa), SerialNumber="arn:aws:iam::1:mfa/x", DurationSeconds=3600)
    )
    first = await provider()
    started = anyio.current_time()
    for _ in range(359):
        await anyio.sleep(10)
        assert await provider() == first
    assert len(prompts) == 1
    await anyio.sleep(11)
    assert await provider() != first
    assert prompts[1] - started > 3600


async def test_callback_that_hangs_ends_after_a_minute(environment: Environment) -> None:
    """A ``role_assumer`` that never returns fails after a minute, and the error contains no secret."""

    async def assumer(source: Credentials, params: object) -> Credentials:
        await anyio.sleep_forever()
        raise AssertionError

    error, seconds = await timed(environment.cached(environment.role(callbacks=Callbacks(None, assumer))))
    assert isinstance(error, ProviderTimeoutError)
    assert seconds == 60


ASSUMED = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAPIECES</AccessKeyId><SecretAccessKey>%b</SecretAccessKey><SessionToken>%b</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
ASSUMED %= (CANARY.encode(), CANARY.encode())


@pytest.mark.fault("U06")
async def test_response_in_pieces(environment: Environment, budget: Budget) -> None:
    """A response of a service that is cut at any byte, or arrives byte by byte, gives the same credentials."""
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(ASSUMED), ASSUMED)
    cuts = [[cut] for cut in budget.sample(range(1, len(whole)), 40)] + [[*range(1, len(whole))]]
    for cut in cuts:
        pieces = [whole[start:end] for start, end in itertools.pairwise([0, *cut, len(whole)])]
        environment.network.script(HOST, 80, [("send", piece) for piece in pieces])
        credentials, seconds = await timed(environment.role())
        assert isinstance(credentials, Credentials), cut
        assert (credentials.access_key_id, credentials.secret_access_key, seconds) == ("ASIAPIECES", CANARY, 0), cut
        assert environment.network.open == 0
