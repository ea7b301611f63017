"""Tests which client sends a request to a service: ours, ours with the user's TLS context, or the user's own."""

from __future__ import annotations

import ssl
import sys
import types
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme

import anycreds
from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system.http import HttpClients, services, tls
from anycreds._system.runtime import SystemRuntime
from anycreds._wire.urls import parse_url
from anycreds.testing import CANARY
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop
from support.http_libraries import INSTALLED
from support.raw_http_server import ok, serving
from support.rows import row

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("http_library")]

AUTHORITY = trustme.CA()
FAR = "https://sts.example.invalid/"
BODY = f"{CANARY}-body".encode()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set proxies that do not exist, except for loopback."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setattr(tls, "_contexts", {})


def trusting() -> ssl.SSLContext:
    """Return a client's TLS context that trusts our authority only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    return context


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def post(url: str, transport: Transport = Transport(), **changes: Any) -> Request:  # noqa: B008 - a value
    """Return a request to a service."""
    parsed = parse_url(url)
    assert isinstance(parsed, Url)
    headers = {"Authorization": f"{CANARY}-signature"}
    return Request("POST", parsed, headers, 5.0, body=BODY, direct=False, transport=transport)._replace(**changes)


class Factory:
    """A factory of clients whose requests a function responses. It records clients and requests."""

    __hash__ = None  # type: ignore[assignment]  # a user's object need not be hashable

    def __init__(self, response: Callable[[httpx.Request], Any] | None = None, **options: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.made: list[httpx.AsyncClient] = []
        self._respond = response or (lambda _: httpx.Response(200, content=b"yes"))
        self._options = options

    def __call__(self) -> httpx.AsyncClient:
        async def handle(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            response: httpx.Response = self._respond(request)
            return response

        client = httpx.AsyncClient(transport=httpx.MockTransport(handle), **self._options)
        self.made.append(client)
        return client


async def exchange(*requests: Request) -> list[Response | TransportFailure]:
    """Make these exchanges in one attempt."""
    async with SystemRuntime().open_io("test") as io:
        return [await io.send(request) for request in requests]


async def one(request: Request) -> Response | TransportFailure:
    (response,) = await exchange(request)
    return response


async def error_of(transport: Transport) -> anycreds.CredentialsError:
    """Return the error of an attempt that has no usable client."""
    async with SystemRuntime().open_io("test") as io:
        with pytest.raises(anycreds.CredentialsError) as caught:
            await io.send(post(FAR, transport))
    return caught.value


@each_loop
async def test_one_connection_for_many_exchanges() -> None:
    """Three exchanges with a host over TLS share one connection, which is closed at the end of the attempt."""
    transport = Transport(ssl_context=trusting())
    async with serving(ok(b"1"), ok(b"2"), ok(b"3"), context=server_context()) as peer:
        url = f"https://localhost:{peer.port}/"
        responses = await exchange(*[post(url, Transport(ssl_context=transport.ssl_context)) for _ in range(3)])
        assert await peer.closed()
    assert [response.body for response in responses if isinstance(response, Response)] == [b"1", b"2", b"3"]
    assert peer.connections == 1
    assert b"Content-Length: %d\r\n" % len(BODY) in peer.heads[0]


@each_loop
async def test_head_of_a_request() -> None:
    """A service gets these headers and no others, with the names of this library and of the application."""
    async with serving(ok(), context=server_context()) as peer:
        url = f"https://localhost:{peer.port}/"
        assert isinstance(await one(post(url, Transport(ssl_context=trusting()), app_id="shop")), Response)
        assert await peer.closed()
    assert peer.lines == [
        "POST / HTTP/1.1",
        f"Host: localhost:{peer.port}",
        "Accept-Encoding: identity",
        f"User-Agent: anycreds/{anycreds.__version__} app/shop",
        f"Authorization: {CANARY}-signature",
        f"Content-Length: {len(BODY)}",
    ]


@each_loop
async def test_contexts_are_separate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's TLS context is used only for requests that name it; others use the system's or AWS_CA_BUNDLE."""
    async with serving(ok(), ok(), ok(), context=server_context()) as peer:
        url = f"https://localhost:{peer.port}/"
        untrusted = Transport(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        responses = await exchange(post(url, Transport(ssl_context=trusting())), post(url), post(url, untrusted))
        assert [isinstance(response, Response) for response in responses] == [True, False, False]
        AUTHORITY.cert_pem.write_to_path(tmp_path / "bundle")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle"))
        responses = await exchange(post(url), post(url), post(url, untrusted))
        assert [isinstance(response, Response) for response in responses] == [True, True, False]
        assert await peer.closed()
    assert peer.connections == 2  # an untrusted server gets no connection


async def test_context_and_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's TLS context does not change the proxies."""
    async with serving(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        response = await one(post(FAR, Transport(ssl_context=trusting())))
        assert isinstance(response, TransportFailure)
    assert proxy.lines[0] == "CONNECT sts.example.invalid:443 HTTP/1.1"


async def test_factory_is_called_once_per_attempt() -> None:
    """A factory makes one client per attempt, for the first exchange, and it is closed with the attempt."""
    factory = Factory()
    transport = Transport(factory)
    async with SystemRuntime().open_io("test") as io:
        assert factory.made == []
        for _ in range(3):
            response = await io.send(post(FAR, transport))
            assert isinstance(response, Response)
            assert (response.status, response.body) == (200, b"yes")
        assert [client.is_closed for client in factory.made] == [False]
    assert [client.is_closed for client in factory.made] == [True]
    await exchange(post(FAR, transport), post("https://sso.example.invalid/", Transport(factory)))
    assert [client.is_closed for client in factory.made] == [True, True]


async def test_request_to_the_users_client() -> None:
    """The user's client sends the request unchanged: it adds nothing of its own and follows no redirect."""
    factory = Factory(
        lambda _: httpx.Response(302, headers={"Location": "https://elsewhere.invalid/", "Set-Cookie": "a=b"}),
        auth=("user", "pass"), follow_redirects=True, headers={"X-Mine": "yes"}, cookies={"c": "d"},
    )  # fmt: skip
    first, second = await exchange(*[post(f"{FAR}path?query=1", Transport(factory))] * 2)
    assert isinstance(first, Response)
    assert first.status == 302
    assert first == second
    for request in factory.requests:
        assert (request.method, request.content) == ("POST", BODY)
        assert bytes(request.url.raw_path) == b"/path?query=1"
        assert {name.lower(): value for name, value in request.headers.items()} == {
            "host": "sts.example.invalid",
            "accept-encoding": "identity",
            "user-agent": f"anycreds/{anycreds.__version__}",
            "authorization": f"{CANARY}-signature",
            "content-length": str(len(BODY)),
        }


@each_loop
async def test_users_client_over_sockets() -> None:
    """A real client of the user uses one connection with its own TLS, and is closed."""
    async with serving(ok(b"1"), ok(b"2"), ok(b"3"), context=server_context()) as peer:
        transport = Transport(lambda: httpx.AsyncClient(verify=trusting()))
        await exchange(*[post(f"https://localhost:{peer.port}/", transport)] * 3)
        assert await peer.closed()
    assert (peer.connections, len(peer.heads)) == (1, 3)


@pytest.mark.fault("S07")
async def test_direct_requests_ignore_the_factory() -> None:
    """Requests to loopback and link-local addresses never use the user's client or a proxy."""

    def never() -> Any:
        raise AssertionError

    async with serving(ok(), ok()) as peer:
        url = f"http://127.0.0.1:{peer.port}/"
        responses = await exchange(*[post(url, Transport(never, object()), direct=True)] * 2)
    assert all(isinstance(response, Response) for response in responses)
    assert peer.connections == 1


@each_loop
async def test_concurrent_exchanges_share_a_client() -> None:
    """Concurrent exchanges of one attempt open one client, and it is closed."""
    factory = Factory()
    clients = HttpClients()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(clients.send, post(FAR, Transport(factory)))
            tasks.start_soon(clients.send, post("https://localhost:1/"))
    assert len(factory.made) == 1
    assert clients._services is not None
    assert len(clients._services._clients) == 2
    await clients.close()
    assert factory.made[0].is_closed


class OwnError(Exception):
    """An error of the user's code."""


async def test_factory_that_fails() -> None:
    """An error of the factory is the cause of an error that names the factory, and its text is not repeated."""

    def fail() -> Any:
        raise OwnError(f"{CANARY}-text")

    error = await error_of(Transport(fail))
    assert type(error) is anycreds.RetrievalError
    assert "client_config: http_client_factory raised OwnError" in str(error)
    cause = error.__cause__
    assert isinstance(cause, OwnError)
    cause.args = ()  # the test's secret is in the user's error only


async def test_factory_that_exits() -> None:
    """A SystemExit of the factory passes unchanged."""

    def leave() -> Any:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        await one(post(FAR, Transport(leave)))


async def coroutine() -> httpx.AsyncClient:
    raise AssertionError


@pytest.mark.parametrize(
    ("factory", "kind"),
    [
        (lambda: None, "NoneType"),
        (httpx.Client, "Client"),
        (coroutine, "coroutine"),
        (lambda: httpx.AsyncClient, "type"),
        (lambda: httpx.AsyncHTTPTransport(verify=False), "AsyncHTTPTransport"),
        (dict, "dict"),
    ],
)
async def test_factory_that_returns_no_client(factory: Callable[[], Any], kind: str) -> None:
    """A factory that returns no asynchronous client is reported by the type returned; a coroutine is closed."""
    error = await error_of(Transport(factory))
    assert type(error) is anycreds.InvalidConfigurationError
    assert f"http_client_factory returned {kind}; expected an AsyncClient of httpx or httpx2" in str(error)


async def test_client_that_is_returned_again() -> None:
    """A client that a factory returns again is closed by then, and that is reported."""
    client = Factory()()
    assert isinstance(await one(post(FAR, Transport(lambda: client))), Response)
    error = await error_of(Transport(lambda: client))
    assert type(error) is anycreds.InvalidConfigurationError
    assert "returned a client that is closed (return a new AsyncClient of httpx or httpx2 from each call" in str(error)


async def test_client_that_is_closed_during_an_attempt() -> None:
    """A client that is closed during an attempt is reported."""
    factory = Factory()
    async with SystemRuntime().open_io("test") as io:
        await io.send(post(FAR, Transport(factory)))
        await factory.made[0].aclose()
        with pytest.raises(anycreds.InvalidConfigurationError, match="a client that is closed"):
            await io.send(post(FAR, Transport(factory)))


@pytest.mark.parametrize(
    ("error", "response"),
    [
        (httpx.ConnectError("canary"), TransportFailure("unreachable", "no further details")),
        (httpx.ReadError("canary"), TransportFailure("broken", "ReadError: no further details")),
        (OSError(5, "canary"), TransportFailure("broken", "OSError: Input/output error")),
        (
            OwnError("canary"),
            TransportFailure("broken", "OwnError in the client of http_client_factory: no further details"),
        ),
        (
            AssertionError(),
            TransportFailure("broken", "AssertionError in the client of http_client_factory: no further details"),
        ),
    ],
)
async def test_client_that_fails(error: Exception, response: TransportFailure) -> None:
    """What the user's transport or hook raises is a failure of the exchange, and its text is not repeated."""

    def fail(_: httpx.Request) -> Any:
        raise error

    async def hook(_: httpx.Request) -> None:
        raise error

    assert await one(post(FAR, Transport(Factory(fail)))) == response
    assert await one(post(FAR, Transport(Factory(event_hooks={"request": [hook]})))) == response


@each_loop
async def test_client_that_hangs() -> None:
    """The timeout of the exchange applies to the user's client, whatever its own timeout."""

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    transport = Transport(lambda: httpx.AsyncClient(transport=Hanging(), timeout=99))
    assert await one(post(FAR, transport, timeout=0.02)) == TransportFailure("timeout", "no response within 0.02 s")


@each_loop
async def test_hook_that_reads_the_response() -> None:
    """A hook of the user's client may read the body; the limit applies to it."""

    async def read(response: httpx.Response) -> None:
        await response.aread()

    async with serving(ok(b"hello"), ok(b"hello"), context=server_context()) as peer:
        transport = Transport(lambda: httpx.AsyncClient(verify=trusting(), event_hooks={"response": [read]}))
        request = post(f"https://localhost:{peer.port}/", transport)
        whole, cut = await exchange(request, request._replace(limit=4))
        assert await peer.closed()
    assert isinstance(whole, Response)
    assert whole.body == b"hello"
    assert isinstance(cut, TransportFailure)
    assert cut.kind == "too large"


@pytest.mark.parametrize("is_declared", [True, False])
async def test_limit_applies_to_users_clients(is_declared: bool) -> None:
    """The limit of a response applies to the user's client too."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000

    def response(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"x" * 10_000 if is_declared else chunks())

    found = await one(post(FAR, Transport(Factory(response)), limit=5000))
    assert isinstance(found, TransportFailure)
    assert found.kind == "too large"


@each_loop
async def test_clients_that_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that fails or hangs when it is closed keeps no other client open."""
    monkeypatch.setattr(services, "CLOSE_TIMEOUT", 0.02)

    async def fail() -> None:
        raise OwnError

    factories = [Factory(), Factory(), Factory()]
    async with SystemRuntime().open_io("test") as io:
        for factory in factories:
            assert isinstance(await io.send(post(FAR, Transport(factory))), Response)
        first, second, third = (factory.made[0] for factory in factories)
        with monkeypatch.context() as patch:
            patch.setattr(first, "aclose", fail)
            patch.setattr(second, "aclose", anyio.sleep_forever)
            assert io._http is not None
            await io._http.close()
    assert [client.is_closed for client in (first, second, third)] == [False, False, True]
    await first.aclose()
    await second.aclose()


class _Successor(types.ModuleType):
    """Stands for httpx2: the same names, and other classes."""


async def test_client_of_httpx2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of httpx2, or of a subclass, gets requests of that library, and its errors are recognized."""
    library = _Successor("httpx2")
    for name in ("URL", "Request", "HTTPError", "ConnectError", "ConnectTimeout", "InvalidURL"):
        setattr(library, name, type(name, (getattr(httpx, name),), {}))
    monkeypatch.setitem(sys.modules, "httpx2", library)
    base = type("AsyncClient", (), {"__module__": "httpx2._client"})
    errors: list[Exception] = []
    seen: list[Any] = []

    class Client(base):  # type: ignore[misc, valid-type]
        is_closed = False

        async def send(self, request: Any, **options: Any) -> httpx.Response:
            seen.append(request)
            if errors:
                raise errors.pop()
            return httpx.Response(200, content=b"yes")

        async def aclose(self) -> None:
            self.is_closed = True

        build_request = send

    request = post(FAR, Transport(Client))
    response = await one(request)
    assert isinstance(response, Response)
    assert response.body == b"yes"
    assert isinstance(seen[0], library.Request)
    assert isinstance(seen[0].url, library.URL)
    errors.append(library.ConnectError("canary"))
    assert await one(request) == TransportFailure("unreachable", "no further details")


async def test_client_of_each_library() -> None:
    """A client of the user gets requests of its own library, whichever of them this library has chosen."""
    for name in INSTALLED:
        library = import_module(name)
        seen: list[Any] = []

        def respond(request: Any, library: Any = library, seen: list[Any] = seen) -> Any:
            seen.append(request)
            return library.Response(200, content=b"yes")

        with row(name):
            transport = library.MockTransport(respond)
            response = await one(post(FAR, Transport(partial(library.AsyncClient, transport=transport))))
            assert isinstance(response, Response)
            assert response.body == b"yes"
            assert isinstance(seen[0], library.Request)


class _Wrapper:
    """A client of the user that passes everything to a client of httpx, and is of no known class."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.send, self.build_request, self.aclose = client.send, client.build_request, client.aclose


async def test_client_of_an_unknown_class() -> None:
    """A client of an unknown class gets requests of httpx if that is imported, since it most likely wraps a client."""
    factory = Factory()
    response = await one(post(FAR, Transport(lambda: _Wrapper(factory()))))
    assert isinstance(response, Response)
    assert isinstance(factory.requests[0], httpx.Request)
