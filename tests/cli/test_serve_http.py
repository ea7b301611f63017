"""The server of ``serve`` on real sockets: its bounds, one refresh for all, and what it says when there is nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import anyio
import pytest
from anyio.abc import SocketListener, SocketStream

from anycreds import Credentials, RetrievalError, cached
from anycreds._cli.serve import server as _serve_http
from anycreds._cli.serve.responses import Door
from anycreds._cli.serve.server import Endpoint, listen
from anycreds.testing import FakeAWS

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
            tasks.start_soon(Endpoint(cached(provider), Door(TOKEN, port)).serve, listening)
            yield port
            tasks.cancel_scope.cancel()


def request(port: int, *, token: str = TOKEN, method: str = "GET", path: str = "/credentials", body: str = "") -> bytes:
    size = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n{size}\r\n{body}".encode()


async def read(stream: SocketStream) -> bytes:
    """Return all that comes until the server closes."""
    received = b""
    with anyio.fail_after(10):
        while True:
            try:
                received += await stream.receive()
            except anyio.EndOfStream:
                return received


async def ask(port: int, data: bytes) -> tuple[int, dict[str, str]]:
    """Send bytes, and return the status and the document of the answer. The server has to close."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(data)
        head, _, body = (await read(stream)).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else {}


@pytest.mark.anyio
async def test_each_request_is_answered_and_the_connection_closed() -> None:
    """The set comes with the token, and other answers are AWS-shaped; each connection has one answer."""
    async with endpoint() as port:
        status, document = await ask(port, request(port) + request(port))
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
            status, document = await ask(port, data)
            assert (status, document["Code"]) == (expected, code)
            assert document.keys() == {"Code", "Message"}
        assert await ask(port, request(port, method="HEAD")) == (405, {})


@pytest.mark.anyio
async def test_a_large_body_does_not_lose_the_answer() -> None:
    """Who sends more than is read still gets the refusal, not a reset connection."""
    async with endpoint() as port:
        status, document = await ask(port, request(port, method="POST", body="x" * 5_000_000))
        assert (status, document["Code"]) == (405, "MethodNotAllowed")


@pytest.mark.anyio
async def test_all_clients_share_one_flight() -> None:
    """Two hundred clients at once, more than are served at a time, make one call of the source."""
    calls = 0

    async def slow() -> Credentials:
        nonlocal calls
        calls += 1
        await anyio.sleep(0.03)
        return GOOD

    statuses: list[int] = []

    async def client(port: int) -> None:
        statuses.append((await ask(port, request(port)))[0])

    async with endpoint(slow) as port, anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(client, port)
    assert (statuses, calls) == ([200] * 200, 1)


@pytest.mark.anyio
async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing keeps a place for a short time only, and is told; then the next is served."""
    monkeypatch.setattr(_serve_http, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(_serve_http, "READ_TIME", 0.05)
    async with endpoint() as port:
        silent = [await anyio.connect_tcp("127.0.0.1", port) for _ in range(2)]
        await silent[0].send(b"GET /cred")
        assert (await ask(port, request(port)))[0] == 200
        for stream in silent:
            async with stream:
                assert b'"Code": "RequestTimeout"' in await read(stream)


@pytest.mark.anyio
async def test_no_more_are_served_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when all places are taken is served when one is free, and not before."""
    monkeypatch.setattr(_serve_http, "MOST_CONNECTIONS", 1)
    async with endpoint() as port:
        first = await anyio.connect_tcp("127.0.0.1", port)
        await first.send(b"GET")
        async with await anyio.connect_tcp("127.0.0.1", port) as second:
            await second.send(request(port))
            with anyio.move_on_after(0.04) as silence:
                await second.receive()
            assert silence.cancelled_caught
            await first.aclose()
            assert b"200 OK" in await read(second)


@pytest.mark.anyio
async def test_who_does_not_close_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that keeps its connection after the answer loses its place to the next one."""
    monkeypatch.setattr(_serve_http, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(_serve_http, "WRITE_TIME", 60.0)
    monkeypatch.setattr(_serve_http, "FAREWELL", 0.05)
    async with endpoint() as port, await anyio.connect_tcp("127.0.0.1", port) as keeps:
        await keeps.send(request(port))
        assert b"200 OK" in await read(keeps)
        assert (await ask(port, request(port)))[0] == 200


@pytest.mark.anyio
async def test_clients_may_leave_at_any_time() -> None:
    """Clients that close or reset before, during or after their request harm nobody, and leave no place taken."""
    async with endpoint() as port:
        for data in (b"", b"GET", request(port), request(port, method="POST", body="x" * 50_000)):
            for _ in range(_serve_http.MOST_CONNECTIONS // 3):
                stream = await anyio.connect_tcp("127.0.0.1", port)
                if data:
                    await stream.send(data)
                await stream.aclose()
        assert (await ask(port, request(port)))[0] == 200


@pytest.mark.anyio
async def test_a_failing_source_is_told_by_its_class() -> None:
    """When the source fails, the answer is 503 with the error's class and text; a bug of ours is 500 without a text."""

    async def failing() -> Credentials:
        raise RetrievalError("the service is down", source="the source")

    async with endpoint(failing) as port:
        assert await ask(port, request(port)) == (
            503,
            {"Code": "RetrievalError", "Message": "the source: the service is down"},
        )

    class Broken:
        async def __call__(self) -> Credentials:
            raise ValueError("canary-bug")

    with listen(0) as listening:
        port = listening.getsockname()[1]
        broken = Endpoint(Broken(), Door(TOKEN, port))  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(broken.serve, listening)
            assert await ask(port, request(port)) == (
                500,
                {"Code": "InternalFailure", "Message": "an error in anycreds"},
            )
            tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_our_own_provider_takes_it(fake_aws: FakeAWS) -> None:
    """``from_http`` reads a set from here as it came from the source: key, token, end and account."""
    from anycreds import from_http

    source = from_http(full_uri=fake_aws.container_url, authorization_token=fake_aws.container_token)
    provider = cached(source)
    async with endpoint(provider) as port:
        here = from_http(full_uri=f"http://127.0.0.1:{port}/credentials", authorization_token=TOKEN)
        assert await here() == await provider()
        assert fake_aws.count("container") == 1


@pytest.mark.anyio
async def test_running_out_of_files_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no connection can be accepted for a while, the server goes on afterwards, and keeps no place for it."""
    monkeypatch.setattr(_serve_http, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(_serve_http, "_OUT_OF_FILES_PAUSE", 0.001)
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
        assert (await ask(port, request(port)))[0] == 200
    assert failures == 0
