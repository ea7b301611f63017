"""Tests what is sent over HTTP, byte for byte, over how many connections, and to which address."""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import Any

import pytest

import anycreds
from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system.http import HttpClients
from anycreds._wire.urls import parse_url
from anycreds.testing import CANARY, FakeAWS, Status
from support.event_loops import on_asyncio
from support.http_stacks import each_stack
from support.raw_http_server import closed, ok, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

ADDRESSES = ("127.0.0.1", "::1", b"127.0.0.1", b"::1")  # they are not resolved by name
TOKEN = f"{CANARY}-imds"
USER_AGENT = f"User-Agent: anycreds/{anycreds.__version__}"
TOKEN_RESPONSE = ok(TOKEN.encode(), "x-aws-ec2-metadata-token-ttl-seconds: 21600")


@pytest.fixture(autouse=True)
def metadata_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable the metadata service."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")


def url(text: str) -> Url:
    """Return a valid URL."""
    parsed = parse_url(text)
    assert isinstance(parsed, Url)
    return parsed


async def test_container_request() -> None:
    """A container request has these headers and no other: no cookie, no encoding but identity."""
    async with serving(ok(b"{}", "Set-Cookie: a=b") + b"", ok()) as peer:
        provider = anycreds.from_http(
            full_uri=f"http://127.0.0.1:{peer.port}/get/it?a=b%20c",
            authorization_token=f"{CANARY}-token",
            max_retries=0,
        )
        with contextlib.suppress(anycreds.MalformedResponseError):
            await provider()
        await provider()
    wanted = [
        "GET /get/it?a=b%20c HTTP/1.1",
        f"Host: 127.0.0.1:{peer.port}",
        "Accept-Encoding: identity",
        USER_AGENT,
        "Accept: application/json",
        f"Authorization: {CANARY}-token",
    ]
    for head in peer.heads:
        assert head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n") == wanted


async def test_metadata_requests() -> None:
    """The metadata service gets an empty PUT with its length and two GETs with the token, on one connection."""
    async with serving(TOKEN_RESPONSE, ok(b"a-role"), ok()) as peer:
        assert (await anycreds.from_instance_metadata(endpoint=f"http://127.0.0.1:{peer.port}")()).account_id is None
        assert await peer.closed()
    common = [f"host: 127.0.0.1:{peer.port}", "accept-encoding: identity", USER_AGENT.lower()]
    roles = "/latest/meta-data/iam/security-credentials/"
    assert [head.decode().lower().removesuffix("\r\n\r\n").split("\r\n") for head in peer.heads] == [
        [
            "put /latest/api/token http/1.1",
            *common,
            "x-aws-ec2-metadata-token-ttl-seconds: 21600",
            "content-length: 0",
        ],
        [f"get {roles} http/1.1", *common, f"x-aws-ec2-metadata-token: {TOKEN}"],
        [f"get {roles}a-role http/1.1", *common, f"x-aws-ec2-metadata-token: {TOKEN}"],
    ]
    assert peer.connections == 1


async def test_body_has_its_length() -> None:
    """A body is sent as a whole, with its length and not in chunks."""
    async with serving(ok(b"yes")) as peer:
        clients = HttpClients()
        request = Request("POST", url(f"http://127.0.0.1:{peer.port}/"), {"X": "y"}, 5.0, body=b"hello")
        response = await clients.send(request)
        await clients.close()
        assert await peer.closed()
    assert isinstance(response, Response)
    assert response.body == b"yes"
    assert [line for line in peer.lines if ":" in line][3:] == ["X: y", "Content-Length: 5"]


@on_asyncio
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("method", "body"), [("POST", b""), ("POST", b"hello"), ("PUT", b""), ("DELETE", b"")])
async def test_length_of_every_body(method: str, body: bytes, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request but a GET has one Content-Length, for an empty body too."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with serving(ok(b"yes")) as peer:
        clients = HttpClients()
        request = Request(method, url(f"http://127.0.0.1:{peer.port}/"), {}, 5.0, body=body, direct=direct)
        assert isinstance(await clients.send(request), Response)
        await clients.close()
        assert await peer.closed()
    assert peer.lines[0] == f"{method} / HTTP/1.1"
    lengths = [line for line in peer.lines if line.lower().startswith(("content-length", "transfer-encoding"))]
    assert lengths == [f"Content-Length: {len(body)}"]


async def test_host_that_the_library_changes() -> None:
    """A request fails if the HTTP library would call another host than the one that was validated."""
    clients = HttpClients()
    result = await clients.send(Request("GET", Url("http", "LOCALHOST", 1, "/"), {}, 5.0, transport=Transport()))
    await clients.close()
    assert result == TransportFailure("broken", "InvalidURL: no further details")


async def test_app_id_is_sent() -> None:
    """The name of the user's application follows that of this library in the user agent."""
    async with serving(ok(b"yes")) as peer:
        clients = HttpClients()
        await clients.send(Request("GET", url(f"http://127.0.0.1:{peer.port}/"), {}, 5.0, app_id="shop.v1"))
        await clients.close()
    assert f"{USER_AGENT} app/shop.v1" in peer.lines


async def test_token_is_sent_as_latin_1() -> None:
    """A token with é is sent as ISO-8859-1."""
    async with serving(ok()) as peer:
        await anycreds.from_http(
            full_uri=f"http://127.0.0.1:{peer.port}/", authorization_token=f"caf\xe9 {CANARY}", max_retries=0
        )()
    assert f"\r\nAuthorization: caf\xe9 {CANARY}\r\n".encode("latin-1") in peer.heads[0]


async def test_one_connection_per_attempt_and_a_token_for_all() -> None:
    """Each attempt opens one connection and closes it; the metadata token is reused by later attempts."""
    async with FakeAWS() as aws:
        provider = anycreds.from_instance_metadata(endpoint=aws.metadata_url)
        for number in range(1, 4):
            await provider()
            assert aws.connections == number
            assert await closed(aws)
        assert aws.count("token") == 1
        assert aws.count("role") == 3


async def test_connection_that_the_server_closes() -> None:
    """If the server closes the connection after each response, each exchange opens another one."""
    async with serving(
        TOKEN_RESPONSE.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"),
        ok(b"a-role", "Connection: close"),
        ok(),
    ) as peer:
        await anycreds.from_instance_metadata(endpoint=f"http://127.0.0.1:{peer.port}")()
    assert peer.connections == 3


@pytest.fixture
def no_lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names that are resolved."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def seen(host: Any, *args: Any, **options: Any) -> Any:
        if host not in ADDRESSES:
            looked_up.append(host)
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", seen)
    if sys.platform != "win32":
        import uvloop

        loop: Any = uvloop.Loop
        look_up = loop.getaddrinfo

        def seen_by_uvloop(self: Any, host: Any, *args: Any, **options: Any) -> Any:
            if host not in ADDRESSES:
                looked_up.append(host)
            return look_up(self, host, *args, **options)

        monkeypatch.setattr(loop, "getaddrinfo", seen_by_uvloop)
    return looked_up


@pytest.mark.fault("U26", "S21")
@each_stack
async def test_localhost_is_not_resolved(transport: Transport | None, no_lookups: list[str]) -> None:
    """``localhost`` over http is 127.0.0.1 without name resolution, and the Host header has the name."""
    async with serving(ok()) as peer:
        clients = HttpClients()
        request = Request("GET", url(f"http://LocalHost:{peer.port}/"), {}, 5.0, transport=transport)
        assert isinstance(await clients.send(request), Response)
        await clients.close()
    assert f"Host: localhost:{peer.port}" in peer.lines
    assert no_lookups == []


def has_ipv6() -> bool:
    """Return whether this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_localhost_on_ipv6_only(no_lookups: list[str]) -> None:
    """A server on ::1 only is found as ``localhost`` after 127.0.0.1 has refused the connection."""
    async with serving(ok(), host="::1") as peer:
        await anycreds.from_http(full_uri=f"http://localhost:{peer.port}/", max_retries=0)()
        assert f"Host: localhost:{peer.port}" in peer.lines
    async with serving(ok(), host="::1") as peer:
        await anycreds.from_http(full_uri=f"http://[::1]:{peer.port}/", max_retries=0)()
        assert f"Host: [::1]:{peer.port}" in peer.lines
    assert no_lookups == []


async def test_localhost_error_response_is_final() -> None:
    """After a response, even an error response, the other address is not tried."""
    async with FakeAWS() as aws:
        aws.script("container", Status(500))
        provider = anycreds.from_http(
            full_uri=aws.container_url.replace("127.0.0.1", "localhost"),
            authorization_token=aws.container_token,
            max_retries=0,
        )
        with pytest.raises(anycreds.RetrievalError, match="500"):
            await provider()
        assert aws.count() == 1
