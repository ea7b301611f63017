"""Plain http without an HTTP library: what it imports, how its sockets behave, and when a connection is used again."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from anycreds._core.http import Request, Response, Transport, TransportFailure, Url
from anycreds._system.http import HttpClients
from anycreds._system.http.plain import PlainHttp
from anycreds._system.http.sockets import SocketStream
from anycreds._wire.urls import parse_url
from anycreds.testing import CANARY, FakeAWS
from support.event_loops import on_asyncio
from support.raw_http_server import ok, serving
from support.rows import each_row

pytestmark = pytest.mark.anyio

PROGRAM = """
import json, sys
loop, factory = sys.argv[1:]
import anycreds
if loop == "trio":
    import trio as library
else:
    import asyncio as library
main = eval("anycreds." + factory)
async def call():
    assert (await main()).access_key_id
library.run(call if loop == "trio" else call())
print(json.dumps(sorted(sys.modules)))
"""
LIBRARIES = {"httpx", "httpx2", "httpcore", "httpcore2", "certifi", "h11"}
OTHER_LOOP = {"asyncio": "trio", "trio": "asyncio"}


def request_to(port: int, **changes: Any) -> Request:
    """Return a GET request to a port of this machine."""
    return Request("GET", Url("http", "127.0.0.1", port, "/"), {}, 5.0)._replace(**changes)


@pytest.fixture
def sockets() -> Iterator[tuple[SocketStream, socket.socket]]:
    """Return a stream with a small buffer, and the other end of its connection."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.setblocking(False)
    with ours, theirs:
        yield SocketStream(ours), theirs


@each_row(
    "url, direct, transport, expected",
    [
        ("http://169.254.169.254/", True, None, True),
        ("http://127.0.0.1:80/", True, None, True),
        ("http://[fd00:ec2::254]/", True, None, True),
        ("http://localhost/", True, None, True),
        ("https://127.0.0.1/", True, None, False),
        ("http://metadata.example.com/", True, None, False),
        ("http://127.0.0.1.example.com/", True, None, False),
        ("http://127.0.0.1/", False, None, False),
        ("http://127.0.0.1/", True, Transport(), False),
    ],
)
def test_which_requests_are_plain(url: str, direct: bool, transport: Transport | None, expected: bool) -> None:
    """A direct request to an address over plain http needs no HTTP library, unless it is one to a service."""
    assert Request("GET", parse_url(url), {}, 1.0, direct=direct, transport=transport).is_plain is expected


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("source", ["container", "http", "imds"])
def test_no_library_is_imported(loop: str, source: str) -> None:
    """The first credentials of ECS, EKS and EC2 in a process import no HTTP library and no second event loop."""
    with FakeAWS.in_thread() as aws:
        factory = {
            "container": "from_container_metadata()",
            "http": f"from_http(full_uri={aws.container_url!r}, authorization_token={aws.container_token!r})",
            "imds": f"from_default_chain(endpoint={aws.metadata_url!r})",
        }[source]
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.container_url, "AWS_EC2_METADATA_DISABLED": "false"}
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = aws.container_token
        environ = {"PYTHONPATH": ":".join(sys.path), "HOME": "/nonexistent"} | (variables if source != "imds" else {})
        command = [sys.executable, "-c", PROGRAM, loop, factory]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    names = set(json.loads(done.stdout))
    assert names & (LIBRARIES | {OTHER_LOOP[loop]}) == set()


async def test_large_request_is_sent(sockets: tuple[SocketStream, socket.socket]) -> None:
    """A request that does not fit into the buffer of its socket is sent as a whole, as fast as it is read."""
    stream, peer = sockets
    data = bytes(range(256)) * 1000
    received = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.send, data)
        while len(received) < len(data):
            await anyio.wait_readable(peer)
            received += peer.recv(65536)
    assert received == data


async def test_data_that_a_system_drops(sockets: tuple[SocketStream, socket.socket]) -> None:
    """A socket that is reported as readable and then has no data is waited for again."""
    ours, peer = sockets

    class Dropping(socket.socket):
        drops = 2

        def recv(self, *arguments: int) -> bytes:
            self.drops -= 1
            if self.drops >= 0:
                raise BlockingIOError
            return super().recv(*arguments)

    peer.send(b"hello")
    with Dropping(fileno=ours._socket.detach()) as dropping:
        assert await SocketStream(dropping).receive(99) == b"hello"


@on_asyncio
@pytest.mark.parametrize("then", ["nothing", "data", "close", "reset"])
async def test_idle_connection_is_readable(sockets: tuple[SocketStream, socket.socket], then: str) -> None:
    """An idle connection is readable if the server has closed it, reset it, or sent something."""
    stream, peer = sockets
    if then == "data":
        peer.send(b"x")
    elif then == "reset":
        await stream.send(b"not read by the peer")
        peer.close()
    elif then == "close":
        peer.close()
    assert stream.is_readable() is (then != "nothing")


async def test_connection_is_refused() -> None:
    """A refused connection is an ``OSError`` with the reason, and its socket is closed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError) as caught:
            await SocketStream.connect(*unused.getsockname())
    assert caught.value.errno == errno.ECONNREFUSED


async def test_connection_that_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not open at once is waited for; its error is the one that the system reports then."""
    number = 0

    class Slow(socket.socket):
        def connect(self, address: object) -> None:
            if not number:
                super().connect(address)  # type: ignore[arg-type]
            raise BlockingIOError

        def getpeername(self) -> object:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

        def getsockopt(self, level: int, name: int, *more: int) -> int:  # type: ignore[override]
            return number if name == socket.SO_ERROR else super().getsockopt(level, name)

    async with serving() as peer:
        monkeypatch.setattr(socket, "socket", Slow)
        stream = await SocketStream.connect("127.0.0.1", peer.port)
        stream.close()
        number = errno.EHOSTUNREACH
        with pytest.raises(OSError, match="No route to host"):
            await SocketStream.connect("127.0.0.1", peer.port)


async def test_cancelled_while_connecting() -> None:
    """A caller that is cancelled while its connection is being opened leaves no socket open."""
    made: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(4):  # more than the system queues; the next attempts get no response
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())

        class Recorded(socket.socket):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                made.append(self)

        with pytest.MonkeyPatch.context() as patch, anyio.move_on_after(0.02) as scope:
            patch.setattr(socket, "socket", Recorded)
            await SocketStream.connect(*full.getsockname())
    assert scope.cancelled_caught
    assert [one.fileno() for one in made] == [-1]


@on_asyncio
@pytest.mark.parametrize(
    "first",
    [
        ok(b"1") + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        ok(b"1", "Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1",
    ],
    ids=["more than one response", "close", "HTTP/1.0"],
)
async def test_connection_that_cannot_be_used_again(first: bytes) -> None:
    """After a response with something behind it, or one that ends the connection, the next exchange has its own."""
    async with serving(first, ok(b"2")) as peer:
        http = PlainHttp()
        for expected in (b"1", b"2"):
            response = await http.exchange(request_to(peer.port))
            assert isinstance(response, Response)
            assert response.body == expected
        http.close()
        assert await peer.closed()
    assert peer.connections == 2


@on_asyncio
async def test_server_that_closed_an_idle_connection() -> None:
    """A connection that the server has closed meanwhile is not used again."""
    network = _Network(ok(b"1"), ok(b"2"))
    http = PlainHttp(network.connect)
    assert isinstance(await http.exchange(request_to(80)), Response)
    network.streams[0].is_closed_by_server = True
    response = await http.exchange(request_to(80))
    assert isinstance(response, Response)
    assert (response.body, [stream.is_closed for stream in network.streams]) == (b"2", [True, False])
    http.close()
    assert all(stream.is_closed for stream in network.streams)


@on_asyncio
async def test_concurrent_exchanges_have_a_connection_each() -> None:
    """Concurrent exchanges with one host have one connection each, of which one is used again."""
    async with serving(ok(b"1"), ok(b"2"), ok(b"3")) as peer:
        http = PlainHttp()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(http.exchange, request_to(peer.port))
            tasks.start_soon(http.exchange, request_to(peer.port))
        assert isinstance(await http.exchange(request_to(peer.port)), Response)
        http.close()
        assert await peer.closed()
    assert (peer.connections, len(peer.heads)) == (2, 3)


@on_asyncio
async def test_response_to_a_request_that_was_not_read() -> None:
    """A response to a request that was not read counts, and its connection is not used again."""
    network = _Network(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n", reads=False)
    http = PlainHttp(network.connect)
    response = await http.exchange(request_to(80))
    assert isinstance(response, Response)
    assert response.status == 413
    assert network.streams[0].is_closed


@on_asyncio
@pytest.mark.parametrize(
    ("answer", "reads", "detail"),
    [
        (OSError(errno.ECONNRESET, "x"), True, "ReadError: Connection reset by peer"),
        (b"", True, "RemoteProtocolError: no further details"),
        (b"", False, "RemoteProtocolError: no further details"),
    ],
)
async def test_broken_connection_is_closed(answer: bytes | OSError, reads: bool, detail: str) -> None:
    """A connection that breaks is closed, and the failure has the reason of the system."""
    network = _Network(answer, reads=reads)
    assert await PlainHttp(network.connect).exchange(request_to(80)) == TransportFailure("broken", detail)
    assert network.streams[0].is_closed


@pytest.mark.fault("S06")
@on_asyncio
@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"X": f"{CANARY}\r\nInjected: yes"}, "ValueError: no further details"),
        ({"X": f"{CANARY}\u20ac"}, "UnicodeEncodeError: no further details"),
        ({"X\u20ac": "y"}, "UnicodeEncodeError: no further details"),
    ],
)
async def test_header_that_cannot_be_sent(headers: dict[str, str], detail: str) -> None:
    """A header that http cannot express is a failure without its text, and no connection is opened."""
    network = _Network()
    result = await PlainHttp(network.connect).exchange(request_to(80, headers=headers))
    assert result == TransportFailure("broken", detail)
    assert network.streams == []


@on_asyncio
async def test_headers_of_equal_names_are_joined() -> None:
    """Headers of equal names are joined by commas, and their bytes are read as Latin-1."""
    response = await PlainHttp(_Network(ok(b"", "A: 1", "a: \xe9")).connect).exchange(request_to(80))
    assert isinstance(response, Response)
    assert response.headers == {"content-length": "0", "a": "1, \xe9"}


class _Network:
    """Connections that receive scripted bytes or errors, and whose peer may not read."""

    def __init__(self, *answers: bytes | OSError, reads: bool = True) -> None:
        self.answers = list(answers)
        self.reads = reads
        self.streams: list[_Stream] = []

    async def connect(self, address: str, port: int, before_wait: Callable[[], None]) -> _Stream:
        self.streams.append(_Stream(self))
        return self.streams[-1]


class _Stream:
    is_closed = False
    is_closed_by_server = False

    def __init__(self, network: _Network) -> None:
        self._network = network

    async def send(self, data: bytes, before_wait: Callable[[], None]) -> None:
        if not self._network.reads:
            raise OSError(errno.EPIPE, "Broken pipe")

    async def receive(self, max_bytes: int) -> bytes:
        answer = self._network.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def is_readable(self) -> bool:
        return self.is_closed_by_server

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere connecting to this machine may take a wait")
async def test_request_is_sent_before_the_timeout_is_prepared() -> None:
    """A request to a server of this machine has been sent when the exchange prepares for waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        heads: list[bytes] = []

        def before_wait() -> None:
            accepted = server.accept()[0]
            with accepted:
                accepted.settimeout(5)
                heads.append(accepted.recv(1024))
                accepted.sendall(ok(b"1"))

        http = PlainHttp()
        response = await http.exchange(request_to(server.getsockname()[1]), before_wait)
        http.close()
    assert isinstance(response, Response)
    assert response.body == b"1"
    assert heads[0].endswith(b"\r\n\r\n")


@pytest.mark.anyio
async def test_timeout_of_a_request_that_is_not_read() -> None:
    """A request that the server does not read has the timeout of the exchange, although it is sent before."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        request = request_to(server.getsockname()[1])._replace(method="POST", body=b"x" * (1 << 24), timeout=0.05)
        http = HttpClients()
        assert await http.send(request) == TransportFailure("timeout", "no response within 0.05 s")
        await http.close()
