"""Every provider that calls a server, under virtual time and by the exchange that a test disturbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import ClientConfig, CredentialsError
from anycreds._core.provider import Provider
from anycreds._providers.service import token_cache
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import FakeAWS, MemoryNetwork, VirtualClock
from anycreds.testing._fake_aws.metadata import CONTAINER_PATH
from robustness.environment import KINDS, LOGIN, Environment, cognito_pools, outcome

HOST = "services.example.com"
METADATA = {"imds token": "token", "imds role list": "role list", "imds role": "role"}
SERVICES = ("role", "web token", "sso portal", "sso refresh", "login", "cognito", "cognito pool")
READERS = ("container", *METADATA, *SERVICES)


class Sources:
    """The providers of one test, each new, and the network and fake that they call."""

    def __init__(self, network: MemoryNetwork, home: Path, clock: VirtualClock) -> None:
        self.network = network
        self.aws = FakeAWS(clock=clock, cognito_pools=cognito_pools())
        network.serve(self.aws)
        network.serve(self.aws, HOST, 443)
        self.environment = Environment(self.aws, home, f"https://{HOST}", SystemRuntime(clock))
        self.environment.token_lifetime = -5.0  # so that a refresh that fails is the error

    def address(self, reader: str) -> tuple[str, int]:
        """Return the address at which a provider reaches its source."""
        if reader in METADATA:
            return "169.254.169.254", 80
        return ("169.254.170.2", 80) if reader == "container" else (HOST, 443)

    def route(self, reader: str) -> str:
        """Return the fake's name of the exchange."""
        return METADATA.get(reader) or ("container" if reader == "container" else KINDS[reader].route)

    def provider(self, reader: str, attempts: int = 1) -> Provider:
        """Return a provider with the default timeout: 1 s for an exchange with metadata, 5 s with a service."""
        if reader == "container":
            token = self.aws.container_token
            return anycreds.from_http(relative_uri=CONTAINER_PATH, authorization_token=token, max_retries=attempts - 1)
        if reader in METADATA:
            return anycreds.from_instance_metadata(max_retries=attempts - 1)
        environment = self.environment
        environment.sent = [LOGIN]  # without the secrets of earlier providers, for which every text is searched
        environment.config = ClientConfig(region="us-east-1", endpoint_url=f"https://{HOST}", max_attempts=attempts)
        return environment.provider(reader)

    async def failure(self, provider: Provider) -> tuple[CredentialsError, float]:
        """Return the error of a call, which shows no secret and leaves nothing open, and its virtual seconds."""
        started = anyio.current_time()
        error = await outcome(provider, self.environment)
        assert isinstance(error, CredentialsError)
        assert str(error).isprintable()
        assert self.network.open == 0
        self.aws.restore()
        return error, round(anyio.current_time() - started, 6)


@pytest.fixture
def sources(isolated: Path, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    """Return the providers, in a network in memory."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setattr(token_cache, "_RACE_DELAYS", (0.0,))  # how long a rejected token is looked for in its file
    with MemoryNetwork() as network:
        yield Sources(network, isolated, virtual_clock)
