"""The HTTP server of ``serve`` on real sockets: its limits, one refresh for all clients, and error responses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Self

import anyio
import pytest
from anyio.abc import SocketListener, SocketStream

from anycreds import Credentials, RetrievalError, cached
from anycreds._cli.serve import server
from anycreds._cli.serve.responses import AccessCheck, ServerResponse
from anycreds._cli.serve.server import CredentialServer, listen
from anycreds.testing import FakeAWS
from support.event_loops import asyncio_only as anyio_backend

__all__ = ["anyio_backend"]  # ``serve`` runs on asyncio

TOKEN = "canary-token"
GOOD = Credentials("AKIDTEST", "canary-secret", "canary-session")


async def good() -> Credentials:
    return GOOD


@asynccontextmanager
async def endpoint(provider: Callable[[], Awaitable[Credentials]] = good) -> AsyncIterator[int]:
    """Serve while the ``async with`` lasts; the value is the port."""
    with listen(0) as listening:
        port: int = listening.getsockname()[1]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(CredentialServer(cached(provider), AccessCheck(TOKEN, port)).serve, listening)
            yield port
            tasks.cancel_scope.cancel()


def request(port: int, *, token: str = TOKEN, method: str = "GET", path: str = "/credentials", body: str = "") -> bytes:
    size = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n{size}\r\n{body}".encode()


async def read(stream: SocketStream) -> bytes:
    """Return what the server sends until it closes the connection."""
    received = b""
    with anyio.fail_after(10):
        while True:
            try:
                received += await stream.receive()
            except anyio.EndOfStream:
                return received


async def send(port: int, data: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes, and return the status and the document of the response. The server has to close the connection."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(data)
        head, _, body = (await read(stream)).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else {}


@pytest.mark.anyio
async def test_each_connection_gets_one_response() -> None:
    """A request with the token gets credentials, any other an error in the format of AWS."""
    async with endpoint() as port:
        status, document = await send(port, request(port) + request(port))
        assert (status, document["SecretAccessKey"]) == (200, "canary-secret")
        for data, expected, code in (
            (request(port, token="wrong"), 403, "AccessDenied"),
            (b"GET /credentials HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port, 401, "MissingAuthenticationToken"),
            (request(port).replace(b"127.0.0.1", b"evil.example"), 403, "AccessDenied"),
            (b"GET /credentials HTTP/1.0\r\nAuthorization: canary-token\r\n\r\n", 403, "AccessDenied"),
            (request(port, path="/"), 404, "NotFound"),
            (request(port, method="DELETE"), 405, "MethodNotAllowed"),
            (b"\x16\x03\x01\x02\x00 TLS\r\n\r\n", 400, "BadRequest"),
            (request(port).replace(b"GET", b"G T"), 400, "BadRequest"),
            (request(port).replace(b"\r\n\r\n", b"\r\nHost: x\r\n\r\n"), 400, "BadRequest"),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 431, "RequestHeadersTooLarge"),
        ):
            status, document = await send(port, data)
            assert (status, document["Code"]) == (expected, code)
            assert document.keys() == {"Code", "Message"}
        assert await send(port, request(port, method="HEAD")) == (405, {})


@pytest.mark.anyio
async def test_large_body_does_not_lose_the_response() -> None:
    """A client that sends more than is read gets the error response, not a reset connection."""
    async with endpoint() as port:
        status, document = await send(port, request(port, method="POST", body="x" * 5_000_000))
        assert (status, document["Code"]) == (405, "MethodNotAllowed")


@pytest.mark.realtime
@pytest.mark.anyio
async def test_all_clients_share_one_refresh() -> None:
    """Two hundred concurrent clients cause one call of the source."""
    calls = 0

    async def slow() -> Credentials:
        nonlocal calls
        calls += 1
        await anyio.sleep(0.03)
        return GOOD

    statuses: list[int] = []

    async def client(port: int) -> None:
        statuses.append((await send(port, request(port)))[0])

    async with endpoint(slow) as port, anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(client, port)
    assert (statuses, calls) == ([200] * 200, 1)


@pytest.mark.anyio
async def test_head_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that send no request, or only the beginning of one, get an error response after a short time."""
    assert server.READ_TIMEOUT <= 1.0
    monkeypatch.setattr(server, "READ_TIMEOUT", 0.05)
    async with endpoint() as port:
        silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(2)]
        await silent[0].send(b"GET /cred")
        for stream in silent:
            async with stream:
                assert b'"Code": "RequestTimeout"' in await read(stream)


@pytest.mark.anyio
async def test_idle_connections_do_not_delay_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other connections there are, a client is served at once. Of those, the oldest are closed."""
    monkeypatch.setattr(server, "READ_TIMEOUT", 3600.0)
    async with endpoint() as port, AsyncExitStack() as stack:
        idle = [
            await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            for _ in range(server.MAX_UNAUTHORIZED + 10)
        ]
        await idle[-1].send(b"GET /cred")
        assert (await send(port, request(port)))[0] == 200
        for stream in idle[:10]:
            assert await read(stream) == b""
        await idle[-1].send(request(port)[len(b"GET /cred") :])
        assert b"200 OK" in await read(idle[-1])


@pytest.mark.anyio
async def test_connections_without_the_token_do_not_delay_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not close the connection after an error response count as idle."""
    for name in ("READ_TIMEOUT", "WRITE_TIMEOUT", "CLOSE_TIMEOUT"):
        monkeypatch.setattr(server, name, 3600.0)
    monkeypatch.setattr(server, "MAX_UNAUTHORIZED", 1)
    async with endpoint() as port, await anyio.connect_tcp("127.0.0.1", port) as other:
        await other.send(request(port, token="wrong"))
        assert b" 403 " in await read(other)
        assert (await send(port, request(port)))[0] == 200


@pytest.mark.anyio
async def test_clients_with_the_token_are_not_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for credentials is not disconnected, however many other clients connect."""
    monkeypatch.setattr(server, "MAX_UNAUTHORIZED", 1)
    called, may_return = anyio.Event(), anyio.Event()

    async def slow() -> Credentials:
        called.set()
        await may_return.wait()
        return GOOD

    async with endpoint(slow) as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(request(port))
        await called.wait()
        for _ in range(3):
            assert (await send(port, request(port, token="wrong")))[0] == 403
        may_return.set()
        assert b"200 OK" in await read(client)


@pytest.mark.realtime
@pytest.mark.anyio
async def test_client_that_does_not_close_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection of a client that keeps it open after the response is closed after a short time."""
    monkeypatch.setattr(server, "WRITE_TIMEOUT", 60.0)
    monkeypatch.setattr(server, "CLOSE_TIMEOUT", 0.05)
    async with endpoint() as port, await anyio.connect_tcp("127.0.0.1", port) as client:
        await client.send(request(port))
        assert b"200 OK" in await read(client)
        with anyio.fail_after(10), suppress(anyio.BrokenResourceError):
            while True:
                await client.send(b"x")
                await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_size_of_the_head_is_limited() -> None:
    """Of a head that never ends the server reads little more than the limit, whether or not its lines end."""

    class Endless:
        def __init__(self, line: bytes) -> None:
            self.line = line
            self.sent = 0

        async def receive(self, size: int) -> bytes:
            assert self.sent < 2 * server.MAX_HEAD_SIZE
            start = b"" if self.sent else b"GET /credentials HTTP/1.1\r\n"
            chunk = start + self.line * (size // len(self.line))
            self.sent += len(chunk)
            return chunk

    for line in (b"x", b"X: y\r\n"):
        response = await server._read_request(Endless(line))  # type: ignore[arg-type]
        assert isinstance(response, ServerResponse)
        assert response.status == 431


def test_server_listens_on_loopback_only() -> None:
    """The socket has an address that other machines cannot reach."""
    with listen(0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"


@pytest.mark.anyio
async def test_clients_may_disconnect_at_any_time() -> None:
    """Clients that close the connection before, during or after their request do not affect other clients."""
    async with endpoint() as port:
        for data in (b"", b"GET", request(port), request(port, method="POST", body="x" * 50_000)):
            for _ in range(server.MAX_UNAUTHORIZED // 3):
                stream = await anyio.connect_tcp("127.0.0.1", port)
                if data:
                    await stream.send(data)
                await stream.aclose()
        assert (await send(port, request(port)))[0] == 200


@pytest.mark.anyio
async def test_failing_source_gets_an_error_response() -> None:
    """If the source fails, the response is 503 with class and text of the error; for a bug it is 500 without text."""

    async def failing() -> Credentials:
        raise RetrievalError("the service is down", source="the source")

    async with endpoint(failing) as port:
        assert await send(port, request(port)) == (
            503,
            {"Code": "RetrievalError", "Message": "the source: the service is down"},
        )

    class Broken:
        async def __call__(self) -> Credentials:
            raise ValueError("canary-bug")

    with listen(0) as listening:
        port = listening.getsockname()[1]
        broken = CredentialServer(Broken(), AccessCheck(TOKEN, port))  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broken.serve, listening)
            assert await send(port, request(port)) == (
                500,
                {"Code": "InternalFailure", "Message": "an error in anycreds"},
            )
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_from_http_gets_the_credentials_of_the_source(fake_aws: FakeAWS) -> None:
    """``from_http`` gets the same credentials from the server as the server from its source."""
    from anycreds import from_http

    source = from_http(full_uri=fake_aws.container_url, authorization_token=fake_aws.container_token)
    provider = cached(source)
    async with endpoint(provider) as port:
        here = from_http(full_uri=f"http://127.0.0.1:{port}/credentials", authorization_token=TOKEN)
        assert await here() == await provider()
        assert fake_aws.count("container") == 1


@pytest.mark.anyio
async def test_failed_accept_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no connection can be accepted for a while, the server continues afterwards."""
    monkeypatch.setattr(server, "_ACCEPT_RETRY_DELAY", 0.001)
    failures = 3
    from_socket = SocketListener.from_socket

    class Listener:
        def __init__(self, inner: SocketListener) -> None:
            self._inner = inner

        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            await self._inner.aclose()

        async def accept(self) -> SocketStream:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError(24, "Too many open files")
            return await self._inner.accept()

    async def wrapped(sock: object) -> Listener:
        return Listener(await from_socket(sock))  # type: ignore[arg-type]

    monkeypatch.setattr(SocketListener, "from_socket", wrapped)
    async with endpoint() as port:
        assert (await send(port, request(port)))[0] == 200
    assert failures == 0
