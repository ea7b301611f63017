"""Exchanges that fail end in a failure with its reason, and the next exchange is not affected.

The end-to-end tests play every fault of a server.
"""

from __future__ import annotations

import socket
import time

import pytest

from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system.http import HttpClients
from anycreds._wire.urls import parse_url
from anycreds.testing import FakeAWS, Hang
from support.event_loops import each_loop
from support.http_stacks import each_stack
from support.raw_http_server import ok, serving
from support.rows import row

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]


def request_to(text: str, transport: Transport | None, timeout: float = 0.1) -> Request:
    """Return a request whose response has at most 1,000 bytes."""
    url = parse_url(text)
    assert isinstance(url, Url)
    return Request("GET", url, {}, timeout, limit=1000, transport=transport)


async def exchange(request: Request) -> Response | TransportFailure:
    """Make one exchange with new clients."""
    clients = HttpClients()
    try:
        return await clients.send(request)
    finally:
        await clients.close()


@each_stack
async def test_refused_on_both_addresses_of_localhost(transport: Transport | None) -> None:
    """A connection refused on both addresses of ``localhost`` is reported with the reason."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        response = await exchange(request_to(f"http://localhost:{unused.getsockname()[1]}/", transport, 2.0))
    assert isinstance(response, TransportFailure)
    assert response.kind == "unreachable"
    assert response.detail != "no further details"


@each_loop
@each_stack
async def test_body_up_to_the_limit_is_read(transport: Transport | None) -> None:
    """A body up to the limit is read, and a larger one is not, whether its length is declared or not."""
    undeclared = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for size in (0, 999, 1000, 1001, 70_000):
        body = b"x" * size
        for response in (ok(body), undeclared + body):
            async with serving(response) as peer:
                got = await exchange(request_to(f"http://127.0.0.1:{peer.port}/", transport, 5.0))
                assert await peer.closed()
            with row(f"{size} bytes after {response[:40]!r}"):
                if size <= 1000:
                    assert isinstance(got, Response)
                    assert got.body == body
                else:
                    assert isinstance(got, TransportFailure)
                    assert got.kind == "too large"


@each_stack
async def test_exchange_after_a_too_large_response(transport: Transport | None) -> None:
    """The exchange after a response that was cut off gets its own response."""
    flood = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"800\r\n" + b"x" * 2048 + b"\r\n"
    async with serving(flood, ok(b"fine")) as peer:
        clients = HttpClients()
        request = request_to(f"http://127.0.0.1:{peer.port}/", transport, 5.0)
        assert isinstance(await clients.send(request), TransportFailure)
        second = await clients.send(request)
        await clients.close()
        assert isinstance(second, Response)
        assert second.body == b"fine"
        assert peer.connections == 2
        assert await peer.closed()


@each_stack
async def test_timeout_is_the_whole_exchange(transport: Transport | None) -> None:
    """The timeout covers the whole exchange, with both addresses of ``localhost``."""
    async with FakeAWS() as aws:
        aws.script("container", Hang())
        started = time.monotonic()
        response = await exchange(request_to(aws.container_url.replace("127.0.0.1", "localhost"), transport))
        assert time.monotonic() - started < 0.6
    assert response == TransportFailure("timeout", "no response within 0.1 s")


@each_stack
async def test_clients_can_be_closed_twice(transport: Transport | None) -> None:
    """Clients may be closed twice, and used again after that."""
    async with serving(ok(b"1"), ok(b"2")) as peer:
        clients = HttpClients()
        request = request_to(f"http://127.0.0.1:{peer.port}/", transport, 5.0)
        await clients.send(request)
        await clients.close()
        await clients.close()
        assert isinstance(await clients.send(request), Response)
        await clients.close()
        assert await peer.closed()
