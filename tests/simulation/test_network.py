"""``MemoryNetwork``: what it serves and records, and the virtual time of each step."""

from __future__ import annotations

import gc
import socket
from typing import Any

import anyio
import httpx
import pytest

import anycreds
from anycreds._system import http
from anycreds.testing import (
    CANARY,
    Body,
    Delay,
    Drip,
    Expired,
    FakeAWS,
    Fault,
    Flood,
    Forever,
    Gzip,
    HalfBody,
    Hang,
    ManualClock,
    MemoryConnection,
    MemoryNetwork,
    Raw,
    Redirect,
    ResetAfter,
    Status,
    Step,
    VirtualClock,
)
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend  # noqa: F401
from support.errors import error_of

pytestmark = pytest.mark.anyio

IMDS = "169.254.169.254"
HOST, PORT = "192.0.2.7", 8080
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
YES = HEAD + b"yes!"


async def get(network: MemoryNetwork, longest: float | None = None) -> httpx.Response:
    """Send one request with httpx alone."""
    async with httpx.AsyncClient(transport=network.transport(), timeout=longest) as client:
        return await client.get(f"http://{HOST}:{PORT}/path")


def at_default(provider: anycreds.Provider) -> anycreds.CachedProvider:
    return anycreds.cached(provider, clock=VirtualClock())


async def test_container_environ_needs_a_fake() -> None:
    """Without a fake at the address of the container credentials, their variables are an error."""
    with MemoryNetwork() as network, pytest.raises(RuntimeError, match=r"no FakeAWS is served .* call serve\(\) first"):
        network.container_environ()


async def test_fake_serves_the_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider with its default endpoint gets the fake's credentials with three requests on one connection."""
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=VirtualClock())
        network.serve(aws)
        for name, value in network.metadata_environ().items():
            monkeypatch.setenv(name, value)
        credentials = await at_default(anycreds.from_instance_metadata())()
    assert credentials.access_key_id == "ASIAFAKEFAKEFAKE0001"
    assert [exchange.route for exchange in aws.exchanges] == ["token", "role list", "role"]
    (connection,) = network.connections
    assert (connection.host, connection.port, connection.requests) == (IMDS, 80, 3)
    assert (aws.connections, network.open) == (1, 0)
    assert connection.written.count(b"Host: 169.254.169.254\r\n") == 3


async def test_fake_serves_the_container_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same fake serves ECS at the address of a relative URI."""
    with MemoryNetwork() as network:
        aws = FakeAWS(clock=VirtualClock())
        network.serve(aws)
        for name, value in network.container_environ().items():
            monkeypatch.setenv(name, value)
        assert (await at_default(anycreds.from_container_metadata())()).account_id == aws.account_id
    assert [connection.host for connection in network.connections] == ["169.254.170.2"]


async def test_latency_is_virtual() -> None:
    """The latency of a fake is exact in virtual time."""
    with MemoryNetwork() as network:
        network.serve(FakeAWS(clock=VirtualClock(), latency=0.75), "127.0.0.1", 80)
        provider = at_default(anycreds.from_instance_metadata(endpoint="http://127.0.0.1"))
        started = anyio.current_time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_EC2_METADATA_DISABLED", "false")
            await provider()
        assert anyio.current_time() - started == pytest.approx(3 * 0.75, abs=1e-6)


@pytest.mark.parametrize(
    ("steps", "seconds"),
    [
        ([("send", YES)], 0.0),
        ([("sleep", 3600), ("send", YES)], 3600.0),
        ([("send", HEAD), ("sleep", 1.5), ("send", b"ye"), ("sleep", 0.25), ("send", b"s!")], 1.75),
        ([("send", HEAD), ("drip", b"y", 0.1, 4)], 0.4),
        ([("send", HEAD[:20]), ("drip", HEAD[20:21], 9.0, 1), ("send", HEAD[21:] + b"yes!"), ("close",)], 9.0),
        ([("send", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nyes!"), ("sleep", 2), ("close",)], 2.0),
    ],
)
async def test_response_takes_the_time_of_its_steps(steps: list[Step], seconds: float) -> None:
    """A scripted response arrives completely, after the seconds in its steps."""
    network = MemoryNetwork()
    network.script(HOST, PORT, steps)
    started = anyio.current_time()
    response = await get(network)
    assert (response.status_code, len(response.content)) == (200, 4)
    assert anyio.current_time() - started == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("steps", "error", "seconds"),
    [
        ([("refuse",)], httpx.ConnectError, 0.0),
        ([("ignore",)], httpx.ConnectTimeout, 7.0),
        ([("hang",)], httpx.ReadTimeout, 7.0),
        ([("sleep", 2), ("hang",)], httpx.ReadTimeout, 7.0),
        ([("send", HEAD + b"ye"), ("hang",)], httpx.ReadTimeout, 7.0),
        ([("sleep", 1), ("close",)], httpx.RemoteProtocolError, 1.0),
        ([("send", HEAD), ("sleep", 1), ("reset",)], httpx.ReadError, 1.0),
    ],
)
async def test_failing_connection_raises_an_error_of_httpx(
    steps: list[Step], error: type[Exception], seconds: float
) -> None:
    """A refused connection, silence or a reset raises httpx's own error at its time, and leaves no connection open."""
    network = MemoryNetwork()
    network.script(HOST, PORT, steps)
    started = anyio.current_time()
    with pytest.raises(error):
        await get(network, longest=7.0)
    assert anyio.current_time() - started == pytest.approx(seconds, abs=1e-6)
    assert network.open == 0
    assert network.connections[0].was_accepted == (steps[0] not in (("refuse",), ("ignore",)))


async def test_unserved_address_refuses() -> None:
    """An address that is not served refuses connections, and the attempt is recorded."""
    network = MemoryNetwork()
    with pytest.raises(httpx.ConnectError, match="refused"):
        await get(network)
    (connection,) = network.connections
    assert (connection.host, connection.port, connection.was_accepted) == (HOST, PORT, False)
    assert connection.closed_at == anyio.current_time()


async def test_scripts_precede_the_fake() -> None:
    """Each request uses one script, in order; then the fake at the address responds."""
    network = MemoryNetwork()
    network.serve(FakeAWS(imds_v1=True, clock=VirtualClock()), HOST, PORT)
    network.script(HOST, PORT, [("send", HEAD + b"1st!")], [("refuse",)], [("send", HEAD + b"3rd!")])
    assert (await get(network)).text == "1st!"
    with pytest.raises(httpx.ConnectError):
        await get(network)
    assert (await get(network)).text == "3rd!"
    assert (await get(network)).status_code == 404  # from the fake


async def test_last_script_repeats() -> None:
    """With ``forever``, the last script repeats, independently for each connection."""
    network = MemoryNetwork()
    network.script(HOST, PORT, [("refuse",)], [("sleep", 1), ("send", YES), ("close",)], forever=True)
    with pytest.raises(httpx.ConnectError):
        await get(network)
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(get, network)
    assert anyio.current_time() - started == pytest.approx(1.0, abs=1e-6)


async def test_connection_is_reused() -> None:
    """A connection is reused until the server closes it."""
    network = MemoryNetwork()
    network.script(HOST, PORT, [("send", YES)], [("send", YES), ("close",)], [("send", YES)])
    async with httpx.AsyncClient(transport=network.transport()) as client:
        for _ in range(3):
            assert (await client.get(f"http://{HOST}:{PORT}/")).text == "yes!"
    assert [connection.requests for connection in network.connections] == [2, 1]
    assert network.bytes_read == 3 * len(YES)
    assert network.open == 0


async def test_request_with_a_body_is_recorded() -> None:
    """A request with a body gets its response when it is complete, and is recorded."""
    network = MemoryNetwork()
    network.script(HOST, PORT, [("send", YES)])
    async with httpx.AsyncClient(transport=network.transport()) as client:
        await client.post(f"http://{HOST}:{PORT}/path", content=b"a body")
    (connection,) = network.connections
    assert connection.written.startswith(b"POST /path HTTP/1.1\r\n")
    assert connection.written.endswith(b"\r\n\r\na body")


async def test_malformed_request_gets_status_400() -> None:
    """A malformed request gets a 400 and the end of the connection."""
    connection = MemoryConnection(1, HOST, PORT, None, lambda _: [])
    await connection.write(b"\x16\x03\x01 what is this\r\n\r\n")
    assert (await connection.read(1000)).startswith(b"HTTP/1.1 400 ")
    assert await connection.read(1000) == b""


async def test_https_is_served_without_tls() -> None:
    """HTTPS is served without TLS, and the name that TLS would verify is recorded."""
    with MemoryNetwork() as network:
        network.script("example.com", 443, [("send", HEAD + b"null")])
        provider = at_default(anycreds.from_http(full_uri="https://example.com/credentials"))
        with pytest.raises(anycreds.MalformedResponseError):
            await provider()
    (connection,) = network.connections
    assert (connection.server_name, connection.port, network.open) == ("example.com", 443, 0)


INVALID: list[Any] = [
    [("sned", b"x")],
    [("send", "text")],
    [("sleep",)],
    [("drip", b"x", 1)],
    [("hang", 1)],
    ["close"],
    [()],
    [("sleep", 1), ("refuse",)],
    [("ignore",), ("close",)],
]


def test_invalid_step_is_rejected() -> None:
    """An invalid step is an error when it is scripted, and the message contains no details."""
    for script in INVALID:
        network = MemoryNetwork()
        error = error_of(network.script, HOST, PORT, script, kind=ValueError)
        assert str(error).startswith(("invalid step", "invalid script")), script


async def test_network_is_restored() -> None:
    """Networks can be nested, and the library uses sockets again after the last one."""
    with MemoryNetwork() as outer:
        with MemoryNetwork() as inner:
            assert http.network is inner._sockets
        assert http.network is outer._sockets
        with pytest.raises(ZeroDivisionError), MemoryNetwork():
            raise ZeroDivisionError
        assert http.network is outer._sockets
    assert http.network is None


FAULTS: list[Fault | None] = [
    None,
    Status(503, b"busy", (("Retry-After", "30"),)),
    Body(b"null"),
    Redirect("http://192.0.2.1/"),
    Expired(60.0),
    Gzip(),
    Raw(b"SSH-2.0\r\n"),
    Delay(0.001),
    Drip(b"ab", 0.0005, 3),
    ResetAfter(40),
    HalfBody(),
    Flood(100_000),
    Flood(0),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_faults_match_those_of_a_socket(fault: Fault | None) -> None:
    """Every fault sends the same bytes in memory as on a socket, and ends the connection in the same way."""
    request = b"GET /v2/credentials/anycreds HTTP/1.1\r\nHost: x\r\nAuthorization: %b-authorization-token\r\n\r\n"
    request %= CANARY.encode()
    network, fakes = MemoryNetwork(), [FakeAWS(clock=ManualClock()), FakeAWS(clock=ManualClock())]
    backend = network.transport()._pool._network_backend
    network.serve(fakes[0], HOST, PORT)
    for fake in fakes:
        fake.script("container", *([] if fault is None else [fault]))
    connection = await backend.connect_tcp(HOST, PORT)
    await connection.write(request)
    in_memory = await _all(connection)
    async with fakes[1] as aws:
        with socket.create_connection(("127.0.0.1", int(aws.metadata_url.rpartition(":")[2]))) as sock:
            sock.setblocking(False)
            sock.send(request)
            on_socket = await _all(_Socket(sock), len(in_memory[0]))
    assert in_memory == on_socket
    assert fakes[0].exchanges == fakes[1].exchanges
    assert fakes[0].connections == fakes[1].connections == 1


class _Socket:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def read(self, most: int) -> bytes:
        await anyio.wait_readable(self._sock)
        return self._sock.recv(most)


async def _all(stream: _Socket | MemoryConnection, expected: int = 0) -> tuple[bytes, str]:
    """Return all received bytes, and how the connection ended: open if nothing follows the expected bytes soon."""
    received = b""
    with anyio.move_on_after(10) as waiting:
        while True:
            if len(received) >= expected:
                waiting.deadline = anyio.current_time() + 0.03
            try:
                data = await stream.read(65536)
            except Exception as error:  # noqa: BLE001 - httpcore's, or the system's
                return received, "reset" if isinstance(error.__cause__ or error, ConnectionResetError) else repr(error)
            if not data:
                return received, "closed"
            received += data
    return received, "open"


async def test_endless_fault_lasts_until_the_client_stops_reading() -> None:
    """Endless faults last until the client stops reading."""
    for fault in (Hang(), Flood(), Drip(b"x", 0.5)):
        with MemoryNetwork() as network:
            aws = FakeAWS(clock=VirtualClock())
            network.serve(aws, "127.0.0.1", 80)
            aws.script("container", Forever(fault))
            uri, token = "http://127.0.0.1/v2/credentials/anycreds", aws.container_token
            made = anycreds.from_http(full_uri=uri, authorization_token=token, max_retries=0)
            started = anyio.current_time()
            with pytest.raises(anycreds.RetrievalError):
                await at_default(made)()
            took = anyio.current_time() - started
            assert took == pytest.approx(0.0 if isinstance(fault, Flood) else 1.0, abs=1e-6), fault
        assert network.open == 0, fault
        assert network.bytes_read < 200_000, fault
    gc.collect()  # an unfinished generator would raise a warning here
