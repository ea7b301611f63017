"""Every fault of a server, in every exchange of every source: the right error at the exact time. In virtual time.

The faults are those of ``support.http_faults``. ``end_to_end`` and ``robustness`` play them on real sockets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

import anycreds
from anycreds import (
    Credentials,
    CredentialsError,
    MalformedResponseError,
    MetadataUnreachableError,
    NotConfiguredError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.provider import Provider
from anycreds._providers.service import token_cache
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import FakeAWS, MemoryNetwork, ResetAfter, Step, VirtualClock
from anycreds.testing._fake_aws.metadata import CONTAINER_PATH
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from robustness.environment import KINDS, LOGIN, Environment, cognito_pools, outcome
from support.goals import RecordGoal
from support.http_faults import HTTP_FAULTS, Outcome
from support.rows import row

pytestmark = pytest.mark.anyio

HOST = "services.example.com"
ERRORS: dict[Outcome, type[CredentialsError]] = {
    "timeout": ProviderTimeoutError,
    "broken": MalformedResponseError,
    "too large": MalformedResponseError,
    "status": RetrievalError,
    "malformed": MalformedResponseError,
}
METADATA = {"imds token": "token", "imds role list": "role list", "imds role": "role"}
NOT_JSON = ("role", "web token", "imds token", "imds role list")
READERS = ["container", *METADATA, "role", "web token", "sso portal", "sso refresh", "login", "cognito", "cognito pool"]


def expected_error(reader: str, name: str, kind: Outcome) -> type[CredentialsError]:
    """Return the class of the error for a fault. Only two of them let a chain continue."""
    if reader == "imds token" and kind in ("timeout", "broken"):
        return MetadataUnreachableError  # this may not be an EC2 instance
    if reader == "imds role list" and name == "empty body":
        return NotConfiguredError  # there is no role in the list
    return ERRORS[kind]


FAULTS = "{faults} faults: {late} not at their exact virtual second, {open} connections left open"


def metadata_requests(network: MemoryNetwork) -> list[bytes]:
    """Return the requests to the metadata service that are not for a token."""
    sent = b"\r\n\r\n".join(one.written for one in network.connections if one.host == "169.254.169.254")
    return [request for request in sent.split(b"\r\n\r\n") if request.startswith(b"GET ")]


def count_tokenless(network: MemoryNetwork) -> int:
    """Return how many requests to the metadata service have no token."""
    return sum(b"x-aws-ec2-metadata-token:" not in request.lower() for request in metadata_requests(network))


class Sources:
    """The providers of one test, one for each fault, in a network in memory."""

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

    async def failure(self, provider: Provider) -> tuple[CredentialsError, float]:
        """Return the error of a call, which shows no secret and leaves nothing open, and its virtual seconds."""
        started = anyio.current_time()
        error = await outcome(provider, self.environment)
        assert isinstance(error, CredentialsError)
        assert str(error).isprintable()
        assert self.network.open == 0
        self.aws.restore()
        return error, round(anyio.current_time() - started, 6)

    def provider(self, reader: str) -> tuple[Provider, str, float]:
        """Return a provider, the fake's name of the exchange to disturb, and the timeout of an exchange."""
        if reader == "container":
            return (
                anycreds.from_http(
                    relative_uri=CONTAINER_PATH, authorization_token=self.aws.container_token, max_retries=0
                ),
                "container",
                1.0,
            )
        if reader in METADATA:
            return anycreds.from_instance_metadata(), METADATA[reader], 1.0
        self.environment.sent = [LOGIN]  # without the secrets of earlier providers, for which every text is searched
        return self.environment.provider(reader), KINDS[reader].route, 5.0


@pytest.fixture
def sources(isolated: Path, virtual_clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    monkeypatch.setattr(token_cache, "_RACE_DELAYS", (0.0,))  # how long a rejected token is looked for in its file
    with MemoryNetwork() as network:
        yield Sources(network, isolated, virtual_clock)


@pytest.mark.fault("U03", "U04", "U05", "U10", "U11", "U12", "U13", "U14", "U25")
@pytest.mark.goal("G7", "G16")
@pytest.mark.parametrize("reader", READERS)
async def test_fault_ends_in_its_error_at_its_time(sources: Sources, reader: str, goal: RecordGoal) -> None:
    """Each fault ends in its error: silence exactly at the timeout, all else at once, and nothing stays open."""
    for name, (fault, kind, text) in HTTP_FAULTS.items():
        if (reader, kind) == ("imds token", "malformed"):
            continue  # the response is a token, not JSON
        with row(name):
            provider, route, timeout = sources.provider(reader)
            sources.aws.script(route, fault)
            error, seconds = await sources.failure(provider)
            late = seconds != (timeout if kind == "timeout" else 0.0)
            goal("G7", FAULTS, "every fault in every exchange", faults=1, late=int(late), open=sources.network.open)
            assert not late, seconds
            assert type(error) is expected_error(reader, name, kind)
            assert text in str(error) or reader in NOT_JSON
    provider, _, _ = sources.provider(reader)
    assert isinstance(await provider(), Credentials)
    # A 403, 404 or 405 in response to the request for a token permits IMDSv1; one of the faults is a 403.
    permitted = int(reader == "imds token")
    goal(
        "G16",
        "{tokenless} of {sent} requests without a token, besides {permitted} after a 403, which permits IMDSv1",
        "every fault in every exchange",
        sent=len(metadata_requests(sources.network)),
        tokenless=count_tokenless(sources.network) - permitted,
        permitted=permitted,
    )
    assert count_tokenless(sources.network) == permitted


@pytest.mark.fault("U01", "U02", "U05")
@pytest.mark.goal("G7")
@pytest.mark.parametrize("reader", READERS)
async def test_connection_that_fails(sources: Sources, reader: str, goal: RecordGoal) -> None:
    """A refused or reset connection is an error at once, one that is never accepted exactly at the timeout."""
    unreachable = MetadataUnreachableError if reader == "imds token" else None
    if reader not in ("imds role list", "imds role"):  # their connection is that of the token
        steps: list[tuple[Step, type[CredentialsError]]] = [
            (("refuse",), RetrievalError),
            (("ignore",), ProviderTimeoutError),
        ]
        for step, expected in steps:
            provider, _, timeout = sources.provider(reader)
            with row(step[0]):
                sources.network.script(*sources.address(reader), [step])
                error, seconds = await sources.failure(provider)
                assert seconds == (timeout if expected is ProviderTimeoutError else 0.0)
                assert type(error) is (unreachable or expected)
                assert sources.address(reader)[0] in str(error) or reader == "container"
    for count in (0, 1, 9, 16, 40, 60, 80):
        with row(f"{count} bytes"):
            provider, route, _ = sources.provider(reader)
            sources.aws.script(route, ResetAfter(count))
            error, seconds = await sources.failure(provider)
            assert seconds == 0.0
            assert type(error) is (unreachable or MalformedResponseError)
