"""Tests that the size of a response is limited outside of its body too."""

from __future__ import annotations

import ssl

import pytest
import trustme

from anycreds._core.http import BODY_LIMIT, Request, Response, Transport, TransportFailure
from anycreds._system.http import HttpClients, tls
from anycreds._wire.urls import parse_url
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop
from support.http_stacks import each_stack
from support.raw_http_server import ok, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HOST = "service.example.invalid"  # does not exist; with a proxy it is never resolved here

# More than each limit, and all of them endless but for the last bytes.
FLOODS = {
    "interim responses": b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000 + ok(),
    "long interim responses": (b"HTTP/1.1 102 Processing\r\nX: " + b"x" * 8000 + b"\r\n\r\n") * 40 + ok(),
    "chunks of one byte": CHUNKED + b"1\r\n \r\n" * 40_000 + b"0\r\n\r\n",
    "chunk extensions": CHUNKED + (b"1;" + b"x" * 8000 + b"\r\n \r\n") * 40 + b"0\r\n\r\n",
    "short headers": OK + b"a:\r\n" * 24_000 + b"Content-Length: 0\r\n\r\n",
    "trailers": CHUNKED + b"0\r\n" + b"a:\r\n" * 24_000 + b"\r\n",
}


def request(url: str, *, direct: bool = True, transport: Transport | None = None) -> Request:
    """Return a GET request."""
    return Request("GET", parse_url(url), {}, 10.0, direct=direct, transport=transport)


async def exchange(*requests: Request) -> list[Response | TransportFailure]:
    """Make exchanges in one attempt."""
    clients = HttpClients()
    try:
        return [await clients.send(each) for each in requests]
    finally:
        await clients.close()


@pytest.mark.fault("U11", "U13")
@each_stack
@pytest.mark.parametrize("flood", FLOODS)
async def test_flood_is_too_large(flood: str, transport: Transport | None) -> None:
    """A response with more bytes or lines than any response of AWS is too large, and its connection is closed."""
    async with serving(FLOODS[flood]) as peer:
        (result,) = await exchange(request(f"http://127.0.0.1:{peer.port}/", transport=transport))
        assert await peer.closed()
    assert isinstance(result, TransportFailure)
    assert result.kind == "too large"
    assert result.detail in {"the response has more than 65536 bytes", "the response has more than 4096 lines"}


@pytest.mark.fault("U11")
@each_loop
@pytest.mark.parametrize("flood", ["interim responses", "chunks of one byte"])
async def test_flood_over_tls_is_too_large(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read over TLS is counted too."""
    context = _trust(monkeypatch, "localhost")
    async with serving(FLOODS[flood], context=context) as peer:
        (result,) = await exchange(request(f"https://localhost:{peer.port}/"))
    assert isinstance(result, TransportFailure)
    assert result.kind == "too large"


@each_loop
async def test_flood_of_a_proxy_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy sends before the tunnel is open is counted too."""
    _trust(monkeypatch, HOST)
    async with serving(FLOODS["interim responses"]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        (result,) = await exchange(request(f"https://{HOST}/", direct=False))
        assert await proxy.closed()
    assert isinstance(result, TransportFailure)
    assert result.kind == "too large"


async def test_flood_of_a_proxied_service_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service sends through a plain proxy is counted too."""
    async with serving(FLOODS["short headers"]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        (result,) = await exchange(request(f"http://{HOST}/", direct=False))
    assert isinstance(result, TransportFailure)
    assert result.kind == "too large"


@each_loop
@each_stack
async def test_each_exchange_has_its_own_limit(transport: Transport | None) -> None:
    """Many responses of the largest size fit on one connection."""
    async with serving(*[ok(b" " * BODY_LIMIT)] * 4) as peer:
        results = await exchange(*[request(f"http://127.0.0.1:{peer.port}/", transport=transport)] * 4)
    assert [type(result) for result in results] == [Response] * 4
    assert peer.connections == 1


def _trust(monkeypatch: pytest.MonkeyPatch, host: str) -> ssl.SSLContext:
    """Return the TLS context of a server for this host, whose authority is trusted."""
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(host).configure_cert(server)
    authority.configure_trust(client)
    monkeypatch.setattr(tls, "_contexts", {"": client})
    return server
