"""Names of services are resolved in daemon threads."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system.http import HttpClients
from anycreds._wire.urls import parse_url
from support.raw_http_server import ok, serving

pytestmark = pytest.mark.anyio

NAME = "sts.example.invalid"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Resolve every name to 127.0.0.1 and record the names, and whether a daemon thread resolved them."""
    resolved: list[tuple[str, bool]] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", b"127.0.0.1"):
            resolved.append((host, threading.current_thread().daemon))
        return real("127.0.0.1", port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return resolved


async def send(url: str) -> Response | TransportFailure:
    """Make one exchange through the HTTP library."""
    parsed = parse_url(url)
    assert isinstance(parsed, Url)
    clients = HttpClients()
    try:
        return await clients.send(Request("GET", parsed, {}, 5.0, direct=False, transport=Transport()))
    finally:
        await clients.close()


@pytest.mark.fault("U26")
@pytest.mark.usefixtures("http_library")
@pytest.mark.parametrize("is_proxy", [False, True], ids=["service", "proxy"])
async def test_daemon_thread_resolves_names(
    is_proxy: bool, resolver: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a service, or of the proxy on the way to it, is resolved once, in a daemon thread."""
    async with serving(ok(b"yes")) as peer:
        url = f"http://{NAME}:{peer.port}/"
        if is_proxy:
            monkeypatch.setenv("HTTP_PROXY", url)
            url = "http://beyond.example.invalid/"
        found = await send(url)
    assert isinstance(found, Response), found
    assert resolver == [(NAME, True)]


@pytest.mark.fault("U26")
@pytest.mark.usefixtures("http_library")
async def test_unknown_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without an address makes the service unreachable, with the resolver's reason."""

    def resolve(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    reason = "unable to resolve the host name (Name or service not known)"
    assert await send(f"https://{NAME}/") == TransportFailure("unreachable", reason)
