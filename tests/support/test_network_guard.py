"""The network guard: a test that uses a network beyond loopback fails at once, and again at its end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest

from support import network_guard
from support.event_loops import ASYNCIO, TRIO, UVLOOP

REMOTE = "192.0.2.1"  # reserved for documentation, so that no host is contacted if the guard fails
LINK_LOCAL = "169.254.169.254"


@pytest.fixture(autouse=True)
def attempts(loopback_only: list[str]) -> Iterator[list[str]]:
    """Return the attempts of a test, which do not count at its end."""
    yield loopback_only
    loopback_only.clear()


def _connect(host: str) -> None:
    with socket.socket() as sock:
        sock.connect((host, 9))


def _connect_ex(host: str) -> None:
    with socket.socket() as sock:
        sock.connect_ex((host, 9))


def _sendto(host: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", (host, 9))


def _sendmsg(host: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.sendmsg([b""], [], 0, (host, 9))


FACTORIES: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
if sys.platform != "win32":
    import uvloop

    FACTORIES.append(uvloop.new_event_loop)

OPERATIONS: dict[str, Callable[[str], Any]] = {
    "connect": _connect,
    "connect_ex": _connect_ex,
    "sendto": _sendto,
    "sendmsg": _sendmsg,
    "getaddrinfo": lambda host: socket.getaddrinfo(host, 9),
    "gethostbyname": socket.gethostbyname,
    "gethostbyaddr": socket.gethostbyaddr,
    "getnameinfo": lambda host: socket.getnameinfo((host, 9), 0),
    "httpx.get": lambda host: httpx.get(f"http://{host}:9/", trust_env=False),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("host", [REMOTE, LINK_LOCAL])
def test_remote_operation_fails(operation: str, host: str, attempts: list[str]) -> None:
    """Every operation on a remote host fails with an error that no library catches, and is recorded."""
    with pytest.raises(pytest.fail.Exception, match="beyond loopback"):
        OPERATIONS[operation](host)
    assert len(attempts) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [ASYNCIO, UVLOOP, TRIO])
@pytest.mark.parametrize("host", [REMOTE, LINK_LOCAL, "example.invalid"])
async def test_event_loop_cannot_connect(host: str, attempts: list[str]) -> None:
    """No event loop can connect to a remote host, uvloop with its own sockets included."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - in a group on some loops
        await anyio.connect_tcp(host, 9)
    assert isinstance(caught.value, pytest.fail.Exception) or caught.group_contains(pytest.fail.Exception)
    assert attempts


@pytest.mark.parametrize("factory", FACTORIES)
def test_event_loop_cannot_send_datagrams(
    factory: Callable[[], asyncio.AbstractEventLoop], attempts: list[str]
) -> None:
    """No asyncio event loop can send a datagram to a remote host. trio uses Python's sockets."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(REMOTE, 9))

    with asyncio.Runner(loop_factory=factory) as runner, pytest.raises(pytest.fail.Exception):
        runner.run(main())
    assert attempts


def test_worker_thread_cannot_resolve_names(attempts: list[str]) -> None:
    """The worker threads of asyncio cannot resolve remote names."""

    async def main() -> None:
        await asyncio.get_running_loop().getaddrinfo("example.invalid", 9)

    with pytest.raises(pytest.fail.Exception):
        asyncio.run(main())
    assert attempts == ["socket.getaddrinfo 'example.invalid'"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "", None, b"::1"])
def test_loopback_hosts(host: Any) -> None:
    """Loopback addresses and ``localhost`` are loopback."""
    assert network_guard.is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [REMOTE, LINK_LOCAL, "fd00:ec2::254", "::ffff:8.8.8.8", "0.0.0.0", "::", "fe80::1%lo", "localhost.example", "1"],
)
def test_remote_hosts(host: str) -> None:
    """All other hosts are remote, the link-local addresses of AWS's metadata services included."""
    assert not network_guard.is_loopback(host)


def test_local_sockets_work() -> None:
    """Loopback and UNIX sockets work."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
