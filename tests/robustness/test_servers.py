"""Malformed, hostile and silent servers: each causes one error, without a leaked secret or connection."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import httpx
import pytest

from anycreds import ClientConfig, Credentials, CredentialsError, ProviderTimeoutError
from anycreds.testing import Body, Expired, FakeAWS, Fault, MemoryNetwork, Redirect, ServiceError
from robustness.environment import KINDS, LOGIN, Environment, cognito_pools, outcome
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop
from support.http_faults import HTTP_FAULTS, Outcome, faults_with
from support.raw_http_server import closed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library", "without_delays")]

HOST, ELSEWHERE = "services.example.com", "elsewhere.example.com"
LONG = 10.0  # seconds
XML_BOMB = (
    b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "&a;&a;">' % n for n in range(99))
    + b"]><b>&a9;</b>"
)
BODIES: dict[str, Fault] = {
    "XML bomb": Body(XML_BOMB),
    "XML of 10,000 levels": Body(b"<a>" * 10_000),
    "JSON of 30,000 levels": Body(b"[" * 30_000 + b"]" * 30_000),
    "JSON number of 60,000 digits": Body(b'{"expiresIn": ' + b"9" * 60_000 + b"}"),
    "response to another operation": Body(b"<GetCallerIdentityResponse/>"),
    "error with status 200": Body(b'{"__type": "AccessDeniedException", "message": "No"}'),
    "XML error with status 200": Body(b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
    "control characters": ServiceError(400, "X", "\x1b[2J\u202egnp.exe\u200b\x07"),
}
READERS = ("role", "sso portal", "sso refresh", "login", "cognito")  # each has its own response format


async def outcome_of_fault(
    environment: Environment, kind: str, fault: Fault, seconds: float
) -> Credentials | CredentialsError:
    """Return what a provider returns or raises after one fault; ``seconds`` is its timeout."""
    environment.timeout, environment.token_lifetime = seconds, -5.0
    environment.sent = [LOGIN]  # without the secrets of earlier providers, for which every text would be searched too
    provider = environment.provider(kind)
    environment.aws.script(KINDS[kind].route, fault)
    found = await outcome(provider, environment)
    environment.aws.restore()
    return found


@pytest.mark.fault("U10")
@each_loop
@pytest.mark.parametrize("kind", READERS)
async def test_http_fault_is_an_error(environment: Environment, kind: str, anyio_backend_name: str) -> None:
    """Each fault of HTTP causes a ``CredentialsError`` on one line, and no connection stays open.

    All faults are played on asyncio, and some on trio.
    """
    for expected in get_args(Outcome):
        # A server that responds must not time out on a busy machine.
        seconds = 0.05 if expected == "timeout" else LONG
        for name in faults_with(expected, None if anyio_backend_name == "asyncio" else 2):
            found = await outcome_of_fault(environment, kind, HTTP_FAULTS[name].fault, seconds)
            assert isinstance(found, CredentialsError), name
            assert expected != "timeout" or isinstance(found, ProviderTimeoutError), name
            assert str(found).isprintable(), name
    assert await closed(environment.aws)


@pytest.mark.fault("U15", "S15")
@pytest.mark.parametrize("kind", READERS)
async def test_malformed_body_is_an_error(environment: Environment, kind: str) -> None:
    """Malformed, huge and disguised bodies cause an error on one line without control characters."""
    for name, fault in BODIES.items():
        found = await outcome_of_fault(environment, kind, fault, LONG)
        assert isinstance(found, CredentialsError), name
        assert str(found).isprintable(), name
    assert await closed(environment.aws)


@pytest.mark.parametrize("kind", ["role", "web token", "sso portal", "cognito"])
async def test_expired_credentials_are_never_returned(environment: Environment, kind: str) -> None:
    """Credentials that have expired when they arrive are never returned."""
    assert isinstance(await outcome_of_fault(environment, kind, Expired(5), LONG), CredentialsError)


@pytest.mark.fault("U25")
@pytest.mark.parametrize("kind", READERS)
async def test_redirects_are_not_followed(isolated: Path, kind: str) -> None:
    """Redirects are not followed, and a client's cookies and password are not sent, even if it is set up to."""

    def make() -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=network.transport(), follow_redirects=True, cookies={"a": "b"}, auth=("user", "password")
        )

    with MemoryNetwork() as network:
        aws = FakeAWS(cognito_pools=cognito_pools())
        network.serve(aws, HOST)
        network.serve(aws, ELSEWHERE)
        environment = Environment(aws, isolated, f"http://{HOST}")
        for factory in (None, make):
            environment.config = ClientConfig(
                region="us-east-1", endpoint_url=f"http://{HOST}", http_client_factory=factory
            )
            for status in (300, 301, 302, 303, 305, 307, 308):
                found = await outcome_of_fault(environment, kind, Redirect(f"http://{ELSEWHERE}/", status), 5.0)
                assert "redirect" in str(found)
        assert {connection.host for connection in network.connections} == {HOST}
        assert not any(b"\r\nauthorization: basic" in one.written.lower() for one in network.connections)
        assert network.open == 0
