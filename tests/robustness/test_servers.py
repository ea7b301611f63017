"""Malformed, hostile and silent servers: each causes one error, without a leaked secret or connection."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from anycreds import ClientConfig, Credentials, CredentialsError
from anycreds.testing import (
    Body,
    Drip,
    Expired,
    FakeAWS,
    Fault,
    Flood,
    Gzip,
    HalfBody,
    Hang,
    MemoryNetwork,
    Raw,
    Redirect,
    ResetAfter,
    ServiceError,
    Status,
)
from robustness.environment import KINDS, Environment, cognito_pools, outcome
from support.raw_http_server import closed

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_delays")]

OK = b"HTTP/1.1 200 OK\r\n"
HOST, ELSEWHERE = "services.example.com", "elsewhere.example.com"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"

BYTES = {
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    "another protocol, not requested": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "nothing after continue": b"HTTP/1.1 100 Continue\r\n\r\n",
    "informational flood": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 1000,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n{}",
    "HTTP/0.9": b"{}\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n{}",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\n" + EMPTY,
    "status 000": b"HTTP/1.1 000 X\r\n" + EMPTY,
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "the same length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "hexadecimal length": OK + b"Content-Length: 0x2\r\n\r\n{}",
    "length of 400 digits": OK + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{}",
    "length with a superscript": OK + b"Content-Length: \xb2\r\n\r\n{}",
    "length and chunks": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "compressed chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "chunk of no size": CHUNKED + b"zz\r\n{}\r\n",
    "chunk of negative size": CHUNKED + b"-2\r\n{}\r\n",
    "chunk of endless size": CHUNKED + b"f" * 400 + b"\r\n{}\r\n",
    "chunk with a huge extension": CHUNKED + b"2;" + b"x" * 60_000 + b"\r\n{}\r\n0\r\n\r\n",
    "huge header": OK + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": OK + b"X: x\r\n" * 5000 + b"\r\n{}",
    "header without a colon": OK + b"nonsense\r\n\r\n",
    "folded header": OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
    "header with a NUL": OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}",
    "name of a header in Latin-1": OK + b"X-\xff: \xff\r\nContent-Length: 2\r\n\r\n{}",
    "nothing": b"",
    "blank lines": b"\r\n\r\n",
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
    "SSH": b"SSH-2.0-x\r\n",
    "half a head": b"HTTP/1.1 200",
    "not compressed as it claims": OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "unknown charset": OK + b"Content-Type: application/json; charset=nonsense\r\nContent-Length: 2\r\n\r\n{}",
    "redirect to nowhere": b"HTTP/1.1 302 X\r\n" + EMPTY,
    "redirect to no URL": b"HTTP/1.1 302 X\r\nLocation: http://[::1\r\n" + EMPTY,
    "far date": b"HTTP/1.1 403 X\r\nDate: Fri, 31 Dec 9999 23:59:59 GMT\r\n" + EMPTY,
    "come back in aeons": b"HTTP/1.1 503 X\r\nRetry-After: 999999999999999999999\r\n" + EMPTY,
}
XML_BOMB = (
    b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "&a;&a;">' % n for n in range(99))
    + b"]><b>&a9;</b>"
)
FAULTS: dict[str, Fault] = {
    "silence": Hang(),
    "half a body": HalfBody(),
    "reset": ResetAfter(20),
    "compressed": Gzip(),
    "drip": Drip(b"x", 0.005),
    "flood": Flood(None),
    "page": Body(b"<!DOCTYPE html><html>Sign in</html>"),
    "XML bomb": Body(XML_BOMB),
    "XML of 10,000 levels": Body(b"<a>" * 10_000),
    "JSON of 30,000 levels": Body(b"[" * 30_000 + b"]" * 30_000),
    "JSON number of 60,000 digits": Body(b'{"expiresIn": ' + b"9" * 60_000 + b"}"),
    "response to another operation": Body(b"<GetCallerIdentityResponse/>"),
    "error with status 200": Body(b'{"__type": "AccessDeniedException", "message": "No"}'),
    "XML error with status 200": Body(b"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"),
    "control characters": ServiceError(400, "X", "\x1b[2J\u202egnp.exe\u200b\x07"),
    "bare status": Status(500),
}
READERS = ("role", "sso portal", "sso refresh", "login", "cognito")  # each has its own response format


async def outcome_of_fault(
    environment: Environment, kind: str, fault: Fault, seconds: float = 0.05
) -> Credentials | CredentialsError:
    """Return what a provider returns or raises after one fault; ``seconds`` is its timeout."""
    environment.timeout, environment.token_lifetime = seconds, -5.0
    provider = environment.provider(kind)
    environment.aws.script(KINDS[kind].route, fault)
    found = await outcome(provider, environment)
    environment.aws.restore()
    return found


@pytest.mark.parametrize("kind", READERS)
async def test_malformed_http_responses(environment: Environment, kind: str) -> None:
    """Malformed HTTP responses cause a ``CredentialsError``, and no connection stays open."""
    for name, data in BYTES.items():
        assert isinstance(await outcome_of_fault(environment, kind, Raw(data)), CredentialsError), name
    assert await closed(environment.aws)


@pytest.mark.parametrize("kind", READERS)
async def test_malformed_bodies(environment: Environment, kind: str) -> None:
    """Malformed, endless and disguised bodies cause an error on one line without control characters."""
    for name, fault in FAULTS.items():
        found = await outcome_of_fault(environment, kind, fault)
        assert isinstance(found, CredentialsError), name
        assert str(found).isprintable(), name
    assert await closed(environment.aws)


@pytest.mark.parametrize("kind", ["role", "web token", "sso portal", "cognito"])
async def test_expired_credentials(environment: Environment, kind: str) -> None:
    """Credentials that have expired when they arrive are never returned."""
    assert isinstance(await outcome_of_fault(environment, kind, Expired(5)), CredentialsError)


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
