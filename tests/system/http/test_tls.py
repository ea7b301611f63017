"""Tests of TLS on loopback: which certificates are trusted, and the reasons of errors."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from anyio.abc import ByteStream, SocketAttribute

import anycreds
from anycreds._system.files import read
from anycreds._system.http import library, tls
from anycreds.testing import CANARY
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop
from support.raw_http_server import ok, serving

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

AUTHORITY = trustme.CA()
OTHER_AUTHORITY = trustme.CA()


@pytest.fixture(autouse=True)
def no_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test make its own TLS contexts."""
    monkeypatch.setattr(tls, "_contexts", {})


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trust our authority by ``AWS_CA_BUNDLE``."""
    path = tmp_path / "bundle.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    return path


def server_context(host: str = "localhost", authority: trustme.CA = AUTHORITY) -> ssl.SSLContext:
    """Return the TLS context of a server that has a certificate for this host."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def provider_at(port: int, host: str = "localhost", timeout: float = 5.0) -> anycreds.Provider:
    """Return a provider that calls this port over TLS."""
    return anycreds.from_http(
        full_uri=f"https://{host}:{port}/creds", authorization_token=f"{CANARY}-token", timeout=timeout, max_retries=0
    )


@pytest.mark.fault("S20")
@each_loop
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_bundle_is_trusted(host: str, bundle: Path) -> None:
    """A server whose authority is in ``AWS_CA_BUNDLE`` is trusted, by name and by address."""
    async with serving(ok(), context=server_context(host)) as peer:
        assert (await provider_at(peer.port, host)()).access_key_id == "AKIDPEER"
        assert await peer.closed()
    assert peer.lines[0] == "GET /creds HTTP/1.1"


async def test_folder_of_certificates_is_trusted(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``AWS_CA_BUNDLE`` may be a directory in OpenSSL's format."""
    folder = bundle.parent / "certificates"
    folder.mkdir()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(folder))
    context = await tls.verified_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.get_ca_certs() == []


@pytest.mark.fault("U27", "S20")
@each_loop
async def test_unknown_authority() -> None:
    """A certificate of an unknown authority is rejected before the request is sent, with OpenSSL's reason."""
    async with serving(ok(), context=server_context()) as peer:
        with pytest.raises(anycreds.RetrievalError, match=r"endpoint: certificate not trusted: .*certificate"):
            await provider_at(peer.port)()
        assert await peer.closed()
    assert peer.heads == []


@pytest.mark.fault("S20")
async def test_verification_cannot_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of other programs, and no empty setting, makes a certificate of an unknown authority trusted."""
    for name in (
        "PYTHONHTTPSVERIFY",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_TLS_REJECT_UNAUTHORIZED",
    ):
        monkeypatch.setenv(name, "" if name == "AWS_CA_BUNDLE" else "0")
    async with serving(ok(), context=server_context()) as peer:
        for _ in range(2):  # the second time neither
            with pytest.raises(anycreds.RetrievalError, match="certificate not trusted"):
                await provider_at(peer.port)()
    assert peer.heads == []


@pytest.mark.fault("U27")
async def test_other_authority(bundle: Path) -> None:
    """``AWS_CA_BUNDLE`` replaces the system's authorities."""
    async with serving(ok(), context=server_context(authority=OTHER_AUTHORITY)) as peer:
        with pytest.raises(anycreds.RetrievalError, match="certificate not trusted"):
            await provider_at(peer.port)()
    assert peer.heads == []


@pytest.mark.fault("S20")
async def test_bundle_replaces_the_store_of_the_system(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``AWS_CA_BUNDLE`` wins over what the HTTP library trusts by default: certifi's certificates, or the system's."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    trusting_other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    OTHER_AUTHORITY.configure_trust(trusting_other)
    monkeypatch.setattr(library.chosen, "create_ssl_context", lambda: trusting_other)
    async with serving(ok(), context=server_context(authority=OTHER_AUTHORITY)) as peer:
        with pytest.raises(anycreds.RetrievalError, match="certificate not trusted"):
            await provider_at(peer.port)()
        monkeypatch.delenv("AWS_CA_BUNDLE")
        assert (await provider_at(peer.port)()).access_key_id == "AKIDPEER"


@pytest.mark.fault("U27")
async def test_certificate_for_another_host(bundle: Path) -> None:
    """A certificate for another host is rejected, and both hosts are named."""
    async with serving(ok(), context=server_context("elsewhere.example")) as peer:
        with pytest.raises(anycreds.RetrievalError, match=r"certificate not trusted: Hostname mismatch.*localhost"):
            await provider_at(peer.port)()
    assert peer.heads == []


@pytest.mark.fault("U27")
async def test_server_without_tls(bundle: Path) -> None:
    """A server that responds to https in plain text is reported with OpenSSL's reason."""

    async def response(stream: ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with _raw(response) as port:
        with pytest.raises(anycreds.RetrievalError, match="TLS failed"):
            await provider_at(port)()


@pytest.mark.fault("U27", "S20")
async def test_old_protocols(bundle: Path) -> None:
    """TLS 1.1 is rejected."""
    context = server_context()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(ok(), context=context) as peer:
        with pytest.raises(anycreds.RetrievalError, match="could not connect"):
            await provider_at(peer.port)()
    assert peer.heads == []


@pytest.mark.fault("U27")
@each_loop
async def test_handshake_that_stalls(bundle: Path) -> None:
    """A handshake that stalls ends in a timeout, and the connection is closed."""
    gone = anyio.Event()

    async def be_silent(stream: ByteStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                gone.set()

    async with _raw(be_silent) as port:
        started = time.monotonic()
        with pytest.raises(anycreds.ProviderTimeoutError):
            await provider_at(port, timeout=0.1)()
        assert time.monotonic() - started < 0.6
        with anyio.fail_after(5):
            await gone.wait()


@each_loop
async def test_cancelled_in_the_handshake(bundle: Path) -> None:
    """A call that is cancelled during the handshake closes its connection."""
    gone, come = anyio.Event(), anyio.Event()

    async def be_silent(stream: ByteStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
                    come.set()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                gone.set()

    async with _raw(be_silent) as port:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(provider_at(port))
            await come.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()


@pytest.mark.fault("U27")
@each_loop
async def test_connection_closed_without_close_notify(bundle: Path) -> None:
    """A response that ends without TLS's close_notify is rejected."""
    half = ok()[:-20]
    async with serving(half + b"", context=server_context()) as peer:
        peer.responses[0] = half.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n")
        with pytest.raises(anycreds.MalformedResponseError, match="got no valid response"):
            await provider_at(peer.port)()


async def test_bundle_of_a_profile(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile's ``ca_bundle`` is trusted for its service calls; ``AWS_CA_BUNDLE`` replaces it."""
    monkeypatch.delenv("AWS_CA_BUNDLE")
    config = bundle.parent / "config"
    async with serving(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", context=server_context()) as peer:
        config.write_text(
            f"[profile role]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = keys\nregion = eu-west-1\n"
            f"ca_bundle = {bundle}\nendpoint_url = https://localhost:{peer.port}\n"
            f"[profile keys]\naws_access_key_id = AKIDPEER\naws_secret_access_key = {CANARY}\n"
        )
        config.chmod(0o600)
        provider = anycreds.from_ini(profile="role", config_filepath=str(config), filepath=os.devnull)
        with pytest.raises(anycreds.RetrievalError, match="403"):
            await provider()
        assert peer.heads[0].startswith(b"POST / HTTP/1.1")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle.parent / "other.pem"))
        with pytest.raises(anycreds.InvalidConfigurationError, match="AWS_CA_BUNDLE"):
            await provider()


@pytest.fixture
def commented_bundle(bundle: Path) -> None:
    """Add text that is not a certificate to the bundle, in two encodings."""
    bundle.write_bytes(b"# caf\xe9 \xc3\xa9\n" + bundle.read_bytes() + b"# end \xff\n")


@pytest.mark.usefixtures("commented_bundle")
async def test_comments_in_a_bundle() -> None:
    """A bundle may contain text that is not a certificate, in any encoding."""
    async with serving(ok(), context=server_context()) as peer:
        assert (await provider_at(peer.port)()).access_key_id == "AKIDPEER"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no FIFOs")
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_bundle_that_is_not_a_file(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO, which would block the thread that opens it, is a configuration error at once."""
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setenv(variable, str(tmp_path / "fifo"))
    with pytest.raises(anycreds.InvalidConfigurationError, match=f"{variable} is .*, which is not a regular file"):
        await provider_at(1)()


async def test_bundle_on_a_dead_drive(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that cannot be read in time is a configuration error, and the thread that reads it is left."""
    release = threading.Event()
    monkeypatch.setattr(read, "READ_TIMEOUT", 0.05)
    monkeypatch.setattr(read, "read_regular", lambda *_: release.wait(10))
    try:
        with pytest.raises(anycreds.InvalidConfigurationError, match=r"AWS_CA_BUNDLE is .*, which was not read within"):
            await provider_at(1)()
    finally:
        release.set()


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate\n", bytes(100)], ids=["none", "empty", "text", "zeros"]
)
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "SSL_CERT_FILE"])
async def test_invalid_bundle(
    variable: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that is missing or contains no certificates is a configuration error that names the variable."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    async with serving(ok(), context=server_context()) as peer:
        with pytest.raises(anycreds.InvalidConfigurationError, match=variable) as caught:
            await provider_at(peer.port)()
    assert str(path) in str(caught.value)
    assert caught.value.source == "container credentials"
    assert caught.value.__context__ is None
    assert peer.connections == 0


@each_loop
async def test_context_is_made_once_and_in_a_thread(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One TLS context per bundle is made, in a thread."""
    made: list[threading.Thread] = []
    create = ssl.create_default_context

    def seen(*args: Any, **options: Any) -> ssl.SSLContext:
        made.append(threading.current_thread())
        return create(*args, **options)

    async with serving(ok(), ok(), ok(), context=server_context()) as peer:
        monkeypatch.setattr(ssl, "create_default_context", seen)
        for _ in range(3):
            await provider_at(peer.port)()
    assert len(made) == 1
    assert made[0] is not threading.current_thread()


async def test_plain_http_loads_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests over plain http load no certificates."""

    def fail(*_: Any, **__: Any) -> ssl.SSLContext:
        raise AssertionError("certificates were loaded")

    monkeypatch.setattr(ssl, "create_default_context", fail)
    async with serving(ok()) as peer:
        await anycreds.from_http(full_uri=f"http://127.0.0.1:{peer.port}/", max_retries=0)()


@asynccontextmanager
async def _raw(handler: Any) -> AsyncIterator[int]:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, handler)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()
