"""The guard that keeps tests on this machine: whoever reaches out fails at once, and again at the end of the test."""

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

FAR = "192.0.2.1"  # reserved for documentation: nobody is there, should the guard ever fail
LINK_LOCAL = "169.254.169.254"


@pytest.fixture(autouse=True)
def forgiven(loopback_only: list[str]) -> Iterator[list[str]]:
    """Let what a test here tried on purpose not count at its end."""
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

WAYS: list[Callable[[str], Any]] = [
    _connect,
    _connect_ex,
    _sendto,
    _sendmsg,
    lambda host: socket.getaddrinfo(host, 9),
    socket.gethostbyname,
    socket.gethostbyaddr,
    lambda host: socket.getnameinfo((host, 9), 0),
    lambda host: httpx.get(f"http://{host}:9/", trust_env=False),
]


@pytest.mark.parametrize("reach", WAYS)
@pytest.mark.parametrize("host", [FAR, LINK_LOCAL])
def test_reaching_out_fails(reach: Callable[[str], Any], host: str, forgiven: list[str]) -> None:
    """Every way out of this machine ends at once, in an error that no library catches, and is remembered."""
    with pytest.raises(pytest.fail.Exception, match="beyond loopback"):
        reach(host)
    assert len(forgiven) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("host", [FAR, LINK_LOCAL, "example.invalid"])
async def test_event_loops_are_watched(host: str, forgiven: list[str]) -> None:
    """No event loop gets out, uvloop with its own sockets included."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - in a group on some loops
        await anyio.connect_tcp(host, 9)
    assert isinstance(caught.value, pytest.fail.Exception) or caught.group_contains(pytest.fail.Exception)
    assert forgiven


@pytest.mark.parametrize("factory", FACTORIES)
def test_datagrams_are_watched(factory: Callable[[], asyncio.AbstractEventLoop], forgiven: list[str]) -> None:
    """No event loop of asyncio's kind sends a datagram out; those of trio go through Python's sockets."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(FAR, 9))

    with asyncio.Runner(loop_factory=factory) as runner, pytest.raises(pytest.fail.Exception):
        runner.run(main())
    assert forgiven


def test_threads_are_watched(forgiven: list[str]) -> None:
    """A name that asyncio looks up in a thread is refused there."""

    async def main() -> None:
        await asyncio.get_running_loop().getaddrinfo("example.invalid", 9)

    with pytest.raises(pytest.fail.Exception):
        asyncio.run(main())
    assert forgiven == ["socket.getaddrinfo 'example.invalid'"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "", None, b"::1"])
def test_near(host: Any) -> None:
    """Loopback addresses, and the one name for them, are near."""
    assert network_guard.is_near(host)


@pytest.mark.parametrize(
    "host",
    [FAR, LINK_LOCAL, "fd00:ec2::254", "::ffff:8.8.8.8", "0.0.0.0", "::", "fe80::1%lo", "localhost.example", "1"],
)
def test_far(host: str) -> None:
    """Everything else is far, above all the addresses of AWS's metadata services."""
    assert not network_guard.is_near(host)


def test_near_sockets_work() -> None:
    """Loopback and UNIX sockets go through the guard."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
