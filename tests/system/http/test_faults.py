"""Tests that every exchange ends in a response or in a failure with its reason, never in an exception."""

from __future__ import annotations

import socket
import time

import pytest

from anycreds._core.http import Request, Response, TransportFailure, Url
from anycreds._system.http import HttpClients
from anycreds._wire.urls import parse_url
from anycreds.testing import Drip, FakeAWS, Fault, Flood, HalfBody, Hang, Raw, ResetAfter
from support.raw_http_server import closed, ok, serving

pytestmark = pytest.mark.anyio


def plain_request(text: str, timeout: float = 0.1, *, limit: int = 1000, direct: bool = True) -> Request:
    """Return a plain request."""
    url = parse_url(text)
    assert isinstance(url, Url)
    return Request("GET", url, {}, timeout, limit=limit, direct=direct)


async def exchange(request: Request) -> Response | TransportFailure:
    """Make one exchange with new clients."""
    clients = HttpClients()
    try:
        return await clients.send(request)
    finally:
        await clients.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Hang(), "timeout"),
        (Drip(b"x", 0.01), "timeout"),
        (HalfBody(), "broken"),
        (ResetAfter(10), "broken"),
        (Raw(b""), "broken"),
        (Raw(b"garbage\r\n\r\n"), "broken"),
        (Flood(), "too large"),
        (Flood(1001), "too large"),
        (Raw(ok(b"x" * 1001).replace(b"Content-Length: 1001\r\n", b"Transfer-Encoding: x\r\n")), "broken"),
    ],
)
async def test_kinds_of_failures(fault: Fault, kind: str) -> None:
    """Each fault is one of the four kinds of failures, in time, and the connection is closed."""
    async with FakeAWS() as aws:
        aws.script("container", fault)
        started = time.monotonic()
        response = await exchange(plain_request(aws.container_url))
        assert time.monotonic() - started < 0.6
        assert isinstance(response, TransportFailure)
        assert response.kind == kind
        assert await closed(aws)


async def test_refused() -> None:
    """A refused connection is reported with the operating system's reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        response = await exchange(plain_request(f"http://127.0.0.1:{unused.getsockname()[1]}/", 2.0))
    assert response == TransportFailure("unreachable", "Connection refused")


async def test_refused_on_both_addresses_of_localhost() -> None:
    """A connection refused on both addresses of ``localhost`` is reported with the reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        response = await exchange(plain_request(f"http://localhost:{unused.getsockname()[1]}/", 2.0))
    assert isinstance(response, TransportFailure)
    assert response.kind == "unreachable"
    assert response.detail != "no further details"


@pytest.mark.parametrize(("size", "fits"), [(0, True), (999, True), (1000, True), (1001, False), (70_000, False)])
@pytest.mark.parametrize("declared", [True, False])
async def test_limit(size: int, fits: bool, declared: bool) -> None:
    """A body up to the limit is read, and a larger one is not, whether its length is declared or not."""
    response = ok(b"x" * size)
    if not declared:
        response = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * size
    async with serving(response) as peer:
        got = await exchange(plain_request(f"http://127.0.0.1:{peer.port}/", 5.0))
        assert await peer.closed()
    if fits:
        assert isinstance(got, Response)
        assert got.body == b"x" * size
    else:
        assert isinstance(got, TransportFailure)
        assert got.kind == "too large"


async def test_exchange_after_a_too_large_response() -> None:
    """The exchange after a response that was cut off gets its own response."""
    flood = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n"
    async with serving(flood, ok(b"fine")) as peer:
        clients = HttpClients()
        request = plain_request(f"http://127.0.0.1:{peer.port}/", 5.0)
        assert isinstance(await clients.send(request), TransportFailure)
        second = await clients.send(request)
        await clients.close()
        assert isinstance(second, Response)
        assert second.body == b"fine"
        assert peer.connections == 2
        assert await peer.closed()


async def test_timeout_is_the_whole_exchange() -> None:
    """The timeout covers the whole exchange, with both addresses of ``localhost``."""
    async with FakeAWS() as aws:
        aws.script("container", Hang())
        started = time.monotonic()
        response = await exchange(plain_request(aws.container_url.replace("127.0.0.1", "localhost")))
        assert time.monotonic() - started < 0.6
    assert response == TransportFailure("timeout", "no response within 0.1 s")


async def test_close_twice() -> None:
    """Clients may be closed twice, and used again after that."""
    async with serving(ok(b"1"), ok(b"2")) as peer:
        clients = HttpClients()
        request = plain_request(f"http://127.0.0.1:{peer.port}/", 5.0)
        await clients.send(request)
        await clients.close()
        await clients.close()
        assert isinstance(await clients.send(request), Response)
        await clients.close()
        assert await peer.closed()
