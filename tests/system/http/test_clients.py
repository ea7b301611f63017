"""Whose client carries a request to a service: ours, ours with the program's TLS, or the one that the program makes."""

from __future__ import annotations

import ssl
import sys
import types
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme

import anycreds
from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system import http
from anycreds._system.http import HttpClients, tls
from anycreds._system.io import SystemRuntime
from anycreds._wire.urls import parse_url
from anycreds.testing import CANARY
from support.raw_http_server import httpx_loaded, ok, serving  # noqa: F401

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()
FAR = "https://sts.example.invalid/"
BODY = f"{CANARY}-body".encode()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name proxies that are nowhere, and that loopback is not to be asked for through them."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    monkeypatch.setattr(tls, "_contexts", {})


def trusting() -> ssl.SSLContext:
    """Return a client's context that trusts our authority and nobody else."""
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
    """Makes clients whose requests are answered by a function, and keeps them."""

    __hash__ = None  # type: ignore[assignment]  # a program's object need not have one

    def __init__(self, answer: Callable[[httpx.Request], Any] | None = None, **options: Any) -> None:
        self.requests: list[httpx.Request] = []
        self.made: list[httpx.AsyncClient] = []
        self._answer = answer or (lambda _: httpx.Response(200, content=b"yes"))
        self._options = options

    def __call__(self) -> httpx.AsyncClient:
        async def handle(request: httpx.Request) -> httpx.Response:
            self.requests.append(request)
            response: httpx.Response = self._answer(request)
            return response

        client = httpx.AsyncClient(transport=httpx.MockTransport(handle), **self._options)
        self.made.append(client)
        return client


async def exchange(*requests: Request) -> list[Response | TransportFailure]:
    """Make these exchanges in one attempt."""
    async with SystemRuntime().open_io("test") as io:
        return [await io.send(request) for request in requests]


async def one(request: Request) -> Response | TransportFailure:
    (answer,) = await exchange(request)
    return answer


async def refusal(transport: Transport) -> anycreds.CredentialsError:
    """Return the error of an attempt that has no client."""
    async with SystemRuntime().open_io("test") as io:
        with pytest.raises(anycreds.CredentialsError) as caught:
            await io.send(post(FAR, transport))
    return caught.value


async def test_one_connection_for_many_exchanges() -> None:
    """Three exchanges with a host over TLS, by the program's context, cost one connection; it is closed at the end."""
    transport = Transport(ssl_context=trusting())
    async with serving(ok(b"1"), ok(b"2"), ok(b"3"), context=server_context()) as peer:
        url = f"https://localhost:{peer.port}/"
        answers = await exchange(*[post(url, Transport(ssl_context=transport.ssl_context)) for _ in range(3)])
        assert await peer.closed()
    assert [answer.body for answer in answers if isinstance(answer, Response)] == [b"1", b"2", b"3"]
    assert peer.connections == 1
    assert b"Content-Length: %d\r\n" % len(BODY) in peer.heads[0]


async def test_contexts_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A context counts for the requests that name it only; without one it is the system's, or AWS_CA_BUNDLE's."""
    async with serving(ok(), ok(), ok(), context=server_context()) as peer:
        url = f"https://localhost:{peer.port}/"
        nobody = Transport(ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        answers = await exchange(post(url, Transport(ssl_context=trusting())), post(url), post(url, nobody))
        assert [isinstance(answer, Response) for answer in answers] == [True, False, False]
        AUTHORITY.cert_pem.write_to_path(tmp_path / "bundle")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "bundle"))
        answers = await exchange(post(url), post(url), post(url, nobody))
        assert [isinstance(answer, Response) for answer in answers] == [True, True, False]
        assert await peer.closed()
    assert peer.connections == 2  # who does not trust does not shake hands


async def test_context_goes_with_the_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's context replaces whom we trust, not the way: other hosts are asked through the proxy."""
    async with serving(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        answer = await one(post(FAR, Transport(ssl_context=trusting())))
        assert isinstance(answer, TransportFailure)
    assert proxy.lines[0] == "CONNECT sts.example.invalid:443 HTTP/1.1"


async def test_factory_is_called_once_an_attempt() -> None:
    """A factory makes one client for all exchanges of an attempt, when the first needs it, and it is closed with it."""
    factory = Factory()
    transport = Transport(factory)
    async with SystemRuntime().open_io("test") as io:
        assert factory.made == []
        for _ in range(3):
            answer = await io.send(post(FAR, transport))
            assert isinstance(answer, Response)
            assert (answer.status, answer.body) == (200, b"yes")
        assert [client.is_closed for client in factory.made] == [False]
    assert [client.is_closed for client in factory.made] == [True]
    await exchange(post(FAR, transport), post("https://sso.example.invalid/", Transport(factory)))
    assert [client.is_closed for client in factory.made] == [True, True]


async def test_what_the_factorys_client_is_given() -> None:
    """A program's client gets our request as it is: nothing of its own is added, and it follows no redirect."""
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
            "authorization": f"{CANARY}-signature",
            "content-length": str(len(BODY)),
        }


async def test_factorys_client_over_sockets() -> None:
    """A program's real client is used over one connection, with its own TLS, and closed."""
    async with serving(ok(b"1"), ok(b"2"), ok(b"3"), context=server_context()) as peer:
        transport = Transport(lambda: httpx.AsyncClient(verify=trusting()))
        await exchange(*[post(f"https://localhost:{peer.port}/", transport)] * 3)
        assert await peer.closed()
    assert (peer.connections, len(peer.heads)) == (1, 3)


async def test_direct_requests_have_their_own_way() -> None:
    """Whatever the transport says, what is on this machine or its link is asked by us, without proxies."""

    def never() -> Any:
        raise AssertionError

    async with serving(ok(), ok()) as peer:
        url = f"http://127.0.0.1:{peer.port}/"
        answers = await exchange(*[post(url, Transport(never, object()), direct=True)] * 2)
    assert all(isinstance(answer, Response) for answer in answers)
    assert peer.connections == 1


async def test_exchanges_at_once_share_a_client() -> None:
    """Exchanges of one attempt that begin at the same time open one client, and leave none behind."""
    factory = Factory()
    clients = HttpClients()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(clients.send, post(FAR, Transport(factory)))
            tasks.start_soon(clients.send, post("https://localhost:1/"))
    assert len(factory.made) == 1
    assert len(clients._clients) == 2
    await clients.close()
    assert factory.made[0].is_closed


class OwnError(Exception):
    """An error of the program's own."""


async def test_factory_that_fails() -> None:
    """What a factory raises is the cause of an error that names it, and its text is not repeated."""

    def fail() -> Any:
        raise OwnError(f"{CANARY}-text")

    error = await refusal(Transport(fail))
    assert type(error) is anycreds.RetrievalError
    assert "client_config: http_client_factory raised OwnError" in str(error)
    cause = error.__cause__
    assert isinstance(cause, OwnError)
    cause.args = ()  # the test's secret stands in the program's own error only


async def test_factory_that_exits() -> None:
    """A wish to leave the program is not ours to keep."""

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
async def test_factory_that_makes_something_else(factory: Callable[[], Any], kind: str) -> None:
    """What can be no client is refused by its kind, and a coroutine is not left to complain."""
    error = await refusal(Transport(factory))
    assert type(error) is anycreds.InvalidConfigurationError
    assert f"http_client_factory returned {kind}; expected an httpx.AsyncClient" in str(error)


async def test_client_that_is_given_again() -> None:
    """A client that a factory gives twice is closed by then, and that is said."""
    client = Factory()()
    assert isinstance(await one(post(FAR, Transport(lambda: client))), Response)
    error = await refusal(Transport(lambda: client))
    assert type(error) is anycreds.InvalidConfigurationError
    assert "returned a client that is closed (return a new httpx.AsyncClient from each call" in str(error)


async def test_client_that_is_closed_by_others() -> None:
    """The same in the middle of an attempt, as when two attempts share one."""
    factory = Factory()
    async with SystemRuntime().open_io("test") as io:
        await io.send(post(FAR, Transport(factory)))
        await factory.made[0].aclose()
        with pytest.raises(anycreds.InvalidConfigurationError, match="a client that is closed"):
            await io.send(post(FAR, Transport(factory)))


@pytest.mark.parametrize(
    ("error", "answer"),
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
async def test_client_that_fails(error: Exception, answer: TransportFailure) -> None:
    """What a program's transport or hook raises is no answer; its text is not repeated."""

    def fail(_: httpx.Request) -> Any:
        raise error

    async def hook(_: httpx.Request) -> None:
        raise error

    assert await one(post(FAR, Transport(Factory(fail)))) == answer
    assert await one(post(FAR, Transport(Factory(event_hooks={"request": [hook]})))) == answer


async def test_client_that_hangs() -> None:
    """A program's client has the time of the exchange, whatever it has been told itself."""

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    transport = Transport(lambda: httpx.AsyncClient(transport=Hanging(), timeout=99))
    assert await one(post(FAR, transport, timeout=0.02)) == TransportFailure("timeout", "no response within 0.02 s")


async def test_hook_that_reads_the_answer() -> None:
    """A hook that has read the body before us, to log it, changes nothing; the limit counts for what it has read."""

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
async def test_limit_counts_for_every_client(is_declared: bool) -> None:
    """Of an answer that is too large nothing is given, by a program's client neither."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1000

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"x" * 10_000 if is_declared else chunks())

    found = await one(post(FAR, Transport(Factory(answer)), limit=5000))
    assert isinstance(found, TransportFailure)
    assert found.kind == "too large"


async def test_clients_that_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that fails or hangs when it is closed keeps neither the answer nor the others from being closed."""
    monkeypatch.setattr(http, "CLOSE_TIMEOUT", 0.02)

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
    """Stands for httpx's successor: the same names, and every class its own."""


async def test_client_of_httpxs_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of httpx2, or of a class on it, gets that library's requests, and its errors are understood."""
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
    answer = await one(request)
    assert isinstance(answer, Response)
    assert answer.body == b"yes"
    assert isinstance(seen[0], library.Request)
    assert isinstance(seen[0].url, library.URL)
    errors.append(library.ConnectError("canary"))
    assert await one(request) == TransportFailure("unreachable", "no further details")
