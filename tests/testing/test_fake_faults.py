"""Each scripted fault, seen through a plain socket: it happens once, as described, and then all is well again."""

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

pytestmark = pytest.mark.anyio


class Client:
    """A client that sees bytes, not HTTP."""

    def __init__(self, sock: socket.socket, aws: FakeAWS) -> None:
        self.sock = sock
        self.aws = aws

    async def ask(self) -> None:
        await anyio.wait_writable(self.sock)
        head = (
            f"GET /v2/credentials/anycreds HTTP/1.1\r\nHost: fake\r\nAuthorization: {self.aws.container_token}\r\n\r\n"
        )
        self.sock.send(head.encode())

    async def some(self) -> bytes:
        await anyio.wait_readable(self.sock)
        return self.sock.recv(65536)

    async def all(self) -> bytes:
        """Return what comes until the connection is closed in good order."""
        received = b""
        while piece := await self.some():
            received += piece
        return received

    async def answer(self) -> tuple[bytes, bytes]:
        """Return head and body of one answer, which must be whole."""
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
async def asking(*faults: Fault, fake: FakeAWS | None = None) -> AsyncIterator[Client]:
    """Serve with these faults, connect and ask once. Afterwards, prove that a new client gets a set."""
    async with fake or FakeAWS() as aws:
        aws.script("container", *faults)
        async with connected(aws) as client:
            await client.ask()
            with anyio.fail_after(5):
                yield client
        aws.restore()
        async with connected(aws) as client:
            await client.ask()
            with anyio.fail_after(5):
                head, body = await client.answer()
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert json.loads(body)["AccessKeyId"]


@asynccontextmanager
async def connected(aws: FakeAWS) -> AsyncIterator[Client]:
    with socket.create_connection(("127.0.0.1", int(aws.metadata_url.rpartition(":")[2]))) as sock:
        sock.setblocking(False)
        yield Client(sock, aws)


async def nothing(client: Client) -> None:
    """Prove that nothing comes for a while and the connection stays open."""
    with anyio.move_on_after(0.03) as scope:
        await client.some()
    assert scope.cancelled_caught


async def test_status() -> None:
    """``Status`` answers with that status, body and headers, and issues no set."""
    async with asking(Status(503, b"busy", (("Retry-After", "30"),))) as client:
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n")
        assert body == b"busy"
        assert (client.aws.exchanges[0].status, client.aws.issued) == (503, 0)


async def test_body() -> None:
    """``Body`` answers 200 with those bytes."""
    async with asking(Body(b"null")) as client:
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        assert (body, client.aws.issued) == (b"null", 0)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect(code: int) -> None:
    """``Redirect`` points elsewhere."""
    async with asking(Redirect("http://127.0.0.1:9/elsewhere", code)) as client:
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 %d " % code)
        assert b"\r\nLocation: http://127.0.0.1:9/elsewhere\r\n" in head
        assert body == b""


async def test_raw() -> None:
    """``Raw`` puts the bytes on the wire as they are, and closes in good order."""
    async with asking(Raw(b"no HTTP at all\0")) as client:
        assert await client.all() == b"no HTTP at all\0"
        assert client.aws.exchanges[0].status is None


async def test_hang() -> None:
    """``Hang`` reads the request, counts it and stays silent, with the connection open."""
    async with asking(Hang()) as client:
        await nothing(client)
        assert (client.aws.count("container"), client.aws.exchanges[0].status) == (1, None)


async def test_a_hung_connection_ends_with_its_client() -> None:
    """A client that gives up is noticed, so that hung connections do not pile up."""
    async with asking(Hang()) as client:
        await nothing(client)
        client.sock.shutdown(socket.SHUT_WR)
        assert await client.all() == b""


async def test_delay() -> None:
    """``Delay`` answers as usual, later; the exchange counts as soon as the request is there."""
    async with asking(Delay(0.05)) as client:
        await nothing(client)
        assert client.aws.count("container") == 1
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert json.loads(body)["AccessKeyId"]


async def test_drip() -> None:
    """``Drip`` with a count sends a whole answer, piece by piece, after which the connection serves on."""
    async with asking(Drip(b"ab", every=0.001, count=3)) as client:
        head, body = await client.answer()
        assert (head[:12], body) == (b"HTTP/1.1 200", b"ababab")
        await client.ask()
        assert json.loads((await client.answer())[1])["AccessKeyId"]


async def test_drip_without_end() -> None:
    """``Drip`` without a count goes on, in chunks, until the client leaves."""
    async with asking(Drip(b"drop", every=0.001)) as client:
        received = b""
        while received.count(b"4\r\ndrop\r\n") < 5:
            received += await client.some()
        assert b"chunked" in received


@pytest.mark.parametrize("count", [0, 1, 20, 200])
async def test_reset_after(count: int) -> None:
    """``ResetAfter`` sends so many bytes of the good answer and resets."""
    async with asking(ResetAfter(count)) as client:
        received = b""
        while len(received) < count:
            received += await client.some()
        with pytest.raises(ConnectionResetError):
            await client.some()
        assert len(received) == count
        assert b"HTTP/1.1 200 OK".startswith(received[:15])


async def test_half_body() -> None:
    """``HalfBody`` announces the whole body, sends half of it and closes in good order."""
    async with asking(HalfBody()) as client:
        head, _, body = (await client.all()).partition(b"\r\n\r\n")
        announced = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert len(body) == announced // 2
        assert body.startswith(b"{")


async def test_flood() -> None:
    """``Flood`` sends a body of exactly the size that it announces."""
    async with asking(Flood(300_000)) as client:
        _, body = await client.answer()
        assert len(body) == 300_000


async def test_flood_without_end() -> None:
    """``Flood`` without a size sends until the client leaves."""
    async with asking(Flood()) as client:
        received = 0
        while received < 2_000_000:
            received += len(await client.some())


async def test_expired() -> None:
    """``Expired`` hands out a set that has ended; also where the fake is sticky, and the next one is good."""
    clock = ManualClock(1_767_225_600.0)
    async with asking(Expired(90), fake=FakeAWS(clock=clock, sticky=True)) as client:
        _, body = await client.answer()
        assert datetime.fromisoformat(json.loads(body)["Expiration"]) == datetime(2025, 12, 31, 23, 58, 30, tzinfo=UTC)
        await client.ask()
        _, body = await client.answer()
        assert datetime.fromisoformat(json.loads(body)["Expiration"]) == datetime(2026, 1, 1, 6, tzinfo=UTC)


async def test_gzip() -> None:
    """``Gzip`` compresses though nobody asked for it, and says so."""
    async with asking(Gzip()) as client:
        head, body = await client.answer()
        assert b"\r\nContent-Encoding: gzip\r\n" in head
        assert json.loads(gzip.decompress(body))["AccessKeyId"]


async def test_a_script_is_played_in_order_and_once() -> None:
    """Each request takes the next fault; other routes take none."""
    async with FakeAWS() as aws, httpx.AsyncClient(trust_env=False) as http:
        aws.script("container", Status(500), Status(501))
        aws.script("container", Status(502))
        headers = {"Authorization": aws.container_token}
        assert (await http.get(aws.metadata_url + "/latest/api/token")).status_code == 405
        codes = [(await http.get(aws.container_url, headers=headers)).status_code for _ in range(4)]
        assert codes == [500, 501, 502, 200]


async def test_forever_and_restore() -> None:
    """``Forever`` happens to every request after what was scripted before, until ``restore``."""
    async with FakeAWS() as aws, httpx.AsyncClient(trust_env=False) as http:
        aws.script("container", Status(500), Forever(Status(503)))
        headers = {"Authorization": aws.container_token}
        codes = [(await http.get(aws.container_url, headers=headers)).status_code for _ in range(4)]
        aws.restore()
        codes.append((await http.get(aws.container_url, headers=headers)).status_code)
        assert codes == [500, 503, 503, 503, 200]


def test_no_such_route() -> None:
    """A misspelt route is an error that lists those there are, not a fault that never happens."""
    with pytest.raises(ValueError, match="token, role list, role, container"):
        FakeAWS().script("roles", Hang())


def test_faults_are_values() -> None:
    """Equal faults are equal, and none can be changed."""
    assert Status(500) == Status(500)
    with pytest.raises(AttributeError):
        Status(500).code = 200  # type: ignore[misc]
