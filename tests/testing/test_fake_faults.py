"""Each fault on a socket: it happens once, as documented, and the fake responds as usual afterwards."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import httpx
import pytest

from anycreds.testing import (
    Body,
    Delay,
    Drip,
    Expired,
    FakeAWS,
    Fault,
    Flood,
    Forever,
    Gzip,
    HalfBody,
    Hang,
    ManualClock,
    Raw,
    Redirect,
    ResetAfter,
    Status,
)
from support import plain_http
from support.event_loops import each_loop

pytestmark = pytest.mark.anyio


class Client:
    """A client that reads bytes instead of HTTP."""

    def __init__(self, sock: socket.socket, aws: FakeAWS) -> None:
        self.sock = sock
        self.aws = aws

    async def request(self) -> None:
        await anyio.wait_writable(self.sock)
        head = (
            f"GET /v2/credentials/anycreds HTTP/1.1\r\nHost: fake\r\nAuthorization: {self.aws.container_token}\r\n\r\n"
        )
        self.sock.send(head.encode())

    async def some(self) -> bytes:
        await anyio.wait_readable(self.sock)
        return self.sock.recv(65536)

    async def all(self) -> bytes:
        """Return all bytes until the connection is closed without a reset."""
        received = b""
        while piece := await self.some():
            received += piece
        return received

    async def response(self) -> tuple[bytes, bytes]:
        """Return head and body of one complete response."""
        received = await self.some()
        while b"\r\n\r\n" not in received:
            received += await self.some()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += await self.some()
        assert len(body) == length
        return head, body


@asynccontextmanager
async def faulty(*faults: Fault, fake: FakeAWS | None = None) -> AsyncIterator[Client]:
    """Serve with these faults, connect and send one request. Afterwards, check that a new client gets credentials."""
    async with fake or FakeAWS() as aws:
        aws.script("container", *faults)
        async with connected(aws) as client:
            await client.request()
            with anyio.fail_after(5):
                yield client
        aws.restore()
        async with connected(aws) as client:
            await client.request()
            with anyio.fail_after(5):
                head, body = await client.response()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert json.loads(body)["AccessKeyId"]


@asynccontextmanager
async def connected(aws: FakeAWS) -> AsyncIterator[Client]:
    with socket.create_connection(("127.0.0.1", int(aws.metadata_url.rpartition(":")[2]))) as sock:
        sock.setblocking(False)
        yield Client(sock, aws)


async def assert_silent(client: Client) -> None:
    """Check that assert_silent arrives for a while and the connection stays open."""
    with anyio.move_on_after(0.03) as scope:
        await client.some()
    assert scope.cancelled_caught


async def test_status() -> None:
    """``Status`` sends that status, body and headers, and issues no credentials."""
    async with faulty(Status(503, b"busy", (("Retry-After", "30"),))) as client:
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n")
        assert body == b"busy"
        assert (client.aws.exchanges[0].status, client.aws.issued) == (503, 0)


async def test_body() -> None:
    """``Body`` sends status 200 and that body."""
    async with faulty(Body(b"null")) as client:
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        assert (body, client.aws.issued) == (b"null", 0)


async def test_redirect() -> None:
    """``Redirect`` sends a redirect to another URL."""
    codes = (301, 302, 303, 307, 308)
    async with faulty(*(Redirect("http://127.0.0.1:9/elsewhere", code) for code in codes)) as client:
        for code in codes:
            head, body = await client.response()
            assert head.startswith(b"HTTP/1.1 %d " % code)
            assert b"\r\nLocation: http://127.0.0.1:9/elsewhere\r\n" in head
            assert body == b""
            await client.request()


async def test_raw() -> None:
    """``Raw`` sends the bytes unchanged and closes the connection."""
    async with faulty(Raw(b"no HTTP at all\0")) as client:
        assert await client.all() == b"no HTTP at all\0"
        assert client.aws.exchanges[0].status is None


@each_loop
async def test_hang() -> None:
    """``Hang`` reads and counts the request, and never responds."""
    async with faulty(Hang()) as client:
        await assert_silent(client)
        assert (client.aws.count("container"), client.aws.exchanges[0].status) == (1, None)


@each_loop
async def test_a_hung_connection_ends_with_its_client() -> None:
    """A hanging connection ends when its client closes it."""
    async with faulty(Hang()) as client:
        await assert_silent(client)
        client.sock.shutdown(socket.SHUT_WR)
        assert await client.all() == b""


async def test_delay() -> None:
    """``Delay`` responds as usual, later. The request is counted at once."""
    async with faulty(Delay(0.05)) as client:
        await assert_silent(client)
        assert client.aws.count("container") == 1
        head, body = await client.response()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert json.loads(body)["AccessKeyId"]


async def test_drip() -> None:
    """``Drip`` with a count sends a complete response piece by piece, and the connection stays open."""
    async with faulty(Drip(b"ab", every=0.001, count=3)) as client:
        head, body = await client.response()
        assert (head[:12], body) == (b"HTTP/1.1 200", b"ababab")
        await client.request()
        assert json.loads((await client.response())[1])["AccessKeyId"]


@each_loop
async def test_drip_without_end() -> None:
    """``Drip`` without a count sends chunks until the client disconnects."""
    async with faulty(Drip(b"drop", every=0.001)) as client:
        received = b""
        while received.count(b"4\r\ndrop\r\n") < 5:
            received += await client.some()
        assert b"chunked" in received


@each_loop
async def test_reset_after() -> None:
    """``ResetAfter`` sends that number of bytes of the usual response and resets the connection."""
    for count in (0, 1, 20, 200):
        async with faulty(ResetAfter(count)) as client:
            received = b""
            while len(received) < count:
                received += await client.some()
            with pytest.raises(ConnectionResetError):
                await client.some()
            assert len(received) == count
            assert b"HTTP/1.1 200 OK".startswith(received[:15])


async def test_half_body() -> None:
    """``HalfBody`` announces the whole body, sends half of it and closes the connection."""
    async with faulty(HalfBody()) as client:
        head, _, body = (await client.all()).partition(b"\r\n\r\n")
        announced = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert len(body) == announced // 2
        assert body.startswith(b"{")


async def test_flood() -> None:
    """``Flood`` sends a body of exactly the announced size."""
    async with faulty(Flood(300_000)) as client:
        _, body = await client.response()
        assert len(body) == 300_000


@each_loop
async def test_flood_without_end() -> None:
    """``Flood`` without a size sends until the client disconnects."""
    async with faulty(Flood()) as client:
        received = 0
        while received < 2_000_000:
            received += len(await client.some())


async def test_expired() -> None:
    """``Expired`` returns expired credentials once, also if the fake is sticky."""
    clock = ManualClock(1_767_225_600.0)
    async with faulty(Expired(90), fake=FakeAWS(clock=clock, sticky=True)) as client:
        _, body = await client.response()
        assert datetime.fromisoformat(json.loads(body)["Expiration"]) == datetime(2025, 12, 31, 23, 58, 30, tzinfo=UTC)
        await client.request()
        _, body = await client.response()
        assert datetime.fromisoformat(json.loads(body)["Expiration"]) == datetime(2026, 1, 1, 6, tzinfo=UTC)


async def test_gzip() -> None:
    """``Gzip`` compresses the response and declares it, even if the client does not accept it."""
    async with faulty(Gzip()) as client:
        head, body = await client.response()
        assert b"\r\nContent-Encoding: gzip\r\n" in head
        assert json.loads(gzip.decompress(body))["AccessKeyId"]


async def test_script_is_used_in_order() -> None:
    """Each request to a route uses its next fault. Other routes are not affected."""
    async with FakeAWS() as aws, httpx.AsyncClient(trust_env=False, verify=plain_http.NO_TLS) as http:
        aws.script("container", Status(500), Status(501))
        aws.script("container", Status(502))
        headers = {"Authorization": aws.container_token}
        assert (await http.get(aws.metadata_url + "/latest/api/token")).status_code == 405
        codes = [(await http.get(aws.container_url, headers=headers)).status_code for _ in range(4)]
        assert codes == [500, 501, 502, 200]


async def test_forever_and_restore() -> None:
    """``Forever`` applies to every request after the earlier faults, until ``restore()``."""
    async with FakeAWS() as aws, httpx.AsyncClient(trust_env=False, verify=plain_http.NO_TLS) as http:
        aws.script("container", Status(500), Forever(Status(503)))
        headers = {"Authorization": aws.container_token}
        codes = [(await http.get(aws.container_url, headers=headers)).status_code for _ in range(4)]
        aws.restore()
        codes.append((await http.get(aws.container_url, headers=headers)).status_code)
        assert codes == [500, 503, 503, 503, 200]


def test_no_such_route() -> None:
    """An unknown route is an error that lists the routes."""
    with pytest.raises(ValueError, match="token, role list, role, container"):
        FakeAWS().script("roles", Hang())


def test_faults_are_values() -> None:
    """Faults are equal if their fields are, and immutable."""
    assert Status(500) == Status(500)
    with pytest.raises(AttributeError):
        Status(500).code = 200  # type: ignore[misc]
