"""Tests that proxies are never used for loopback and link-local addresses."""

from __future__ import annotations

import ssl

import anyio
import pytest
import trustme
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

import anycreds
from anycreds._system.http import tls
from anycreds.testing import CANARY, FakeAWS
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop
from support.raw_http_server import ok, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
FAR = "creds.example.invalid"  # does not exist; with a proxy it is never resolved here
TOKEN = f"{CANARY}-token"
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


def use_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Set this proxy in every environment variable for proxies."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, url)


def far_provider(host: str = FAR) -> anycreds.Provider:
    """Return a provider that calls another host over TLS."""
    return anycreds.from_http(full_uri=f"https://{host}/creds", authorization_token=TOKEN, timeout=5.0, max_retries=0)


@pytest.mark.fault("U28", "S07")
@pytest.mark.parametrize("url", ["http://127.0.0.1:{}", "http://user:canary.pw@127.0.0.1:{}", "https://127.0.0.1:{}"])
async def test_loopback_never_goes_through_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every proxy variable set, neither metadata nor container requests reach the proxy."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
    async with FakeAWS() as aws, serving(BAD_GATEWAY) as proxy:
        use_proxy(monkeypatch, url.format(proxy.port))
        local = aws.container_url.replace("127.0.0.1", "localhost")
        await anycreds.from_instance_metadata(endpoint=aws.metadata_url)()
        await anycreds.from_http(full_uri=aws.container_url, authorization_token=aws.container_token)()
        await anycreds.from_http(full_uri=local, authorization_token=aws.container_token)()
    assert proxy.connections == 0
    assert aws.connections == 3


@pytest.mark.fault("U28")
async def test_loopback_over_tls_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every proxy variable set, https requests to loopback do not reach the proxy."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
        monkeypatch.setattr(tls, "_contexts", {})
        async with serving(ok(), context=context) as peer, serving(BAD_GATEWAY) as proxy:
            use_proxy(monkeypatch, f"http://127.0.0.1:{proxy.port}")
            await anycreds.from_http(full_uri=f"https://localhost:{peer.port}/", max_retries=0)()
    assert proxy.connections == 0


@pytest.mark.fault("U28")
@pytest.mark.parametrize("host", [FAR, "xn--bcher-kva.invalid", "xn--a.invalid", "192.0.2.1"])
async def test_other_hosts_go_through_the_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to another host opens a tunnel through the proxy and sends it nothing else; its error is reported."""
    async with serving(BAD_GATEWAY) as proxy:
        use_proxy(monkeypatch, f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(anycreds.RetrievalError):
            await far_provider(host)()
        assert await proxy.closed()
    assert proxy.lines[0] == f"CONNECT {host}:443 HTTP/1.1"
    assert {line.partition(":")[0].lower() for line in proxy.lines[1:]} <= {"host", "accept"}


@pytest.mark.fault("U28")
@each_loop
async def test_whole_exchange_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS through the tunnel is with the host itself, so the proxy sees no token."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(FAR).configure_cert(context)
    heads: list[bytes] = []
    gone = anyio.Event()

    async def tunnel(stream: ByteStream) -> None:
        async with stream:
            heads.append(await stream.receive())
            await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            inner = await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)
            heads.append(await inner.receive())
            await inner.send(ok())
            try:
                await inner.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                gone.set()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, tunnel)
        use_proxy(monkeypatch, f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
        with authority.cert_pem.tempfile() as bundle:
            monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
            monkeypatch.setattr(tls, "_contexts", {})
            assert (await far_provider()()).access_key_id == "AKIDPEER"
        with anyio.fail_after(5):
            await gone.wait()
        tasks.cancel_scope.cancel()
    assert TOKEN.encode() not in heads[0]
    assert b"Authorization: " + TOKEN.encode() in heads[1]
    assert f"Host: {FAR}\r\n".encode() in heads[1]


@pytest.mark.fault("U28")
@each_loop
async def test_tunnel_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that never responds ends in a timeout, and its connection is closed."""
    async with serving() as proxy:
        use_proxy(monkeypatch, f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(anycreds.ProviderTimeoutError):
            await anycreds.from_http(full_uri=f"https://{FAR}/", timeout=0.1, max_retries=0)()
        assert await proxy.closed()


@each_loop
async def test_handshake_in_a_tunnel_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS handshake that stalls behind the proxy ends in a timeout, and the connection is closed."""
    async with serving(b"HTTP/1.1 200 Connection established\r\n\r\n") as proxy:
        use_proxy(monkeypatch, f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(anycreds.ProviderTimeoutError):
            await anycreds.from_http(full_uri=f"https://{FAR}/", timeout=0.1, max_retries=0)()
        assert await proxy.closed()


@pytest.mark.fault("U28")
@pytest.mark.parametrize("proxy", ["ftp://a:canary.pw@127.0.0.1", "socks5://127.0.0.1:1", "http://a:canary.pw@b:x"])
async def test_invalid_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An invalid proxy variable is an error that does not repeat its value; loopback needs no proxy."""
    use_proxy(monkeypatch, proxy)
    with pytest.raises(anycreds.InvalidConfigurationError, match="HTTPS_PROXY") as caught:
        await far_provider()()
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    async with serving(ok()) as peer:
        await anycreds.from_http(full_uri=f"http://127.0.0.1:{peer.port}/", max_retries=0)()
