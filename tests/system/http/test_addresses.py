"""All addresses of a service are tried, the next one before an earlier one has timed out."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import pytest

from anycreds._system.http.resolving import NEXT_ADDRESS_DELAY, ResolvingNetwork
from anycreds.testing.pytest_plugin import virtual_backend as anyio_backend

__all__ = ["anyio_backend"]  # a fixture

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_clock")]

NAME = "sts.example.invalid"


class ConnectError(Exception):
    """No connection."""


class FakeStream:
    """A connection."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True


class FakeNetwork:
    """A network that connects to these addresses after some seconds, and to no other one."""

    def __init__(self, delays: dict[str, float]) -> None:
        self.tried: list[tuple[str, float]] = []
        self.streams: list[FakeStream] = []
        self._delays = delays
        self._started = anyio.current_time()

    async def connect_tcp(self, address: str, port: int, **options: Any) -> FakeStream:
        assert (port, options) == (443, {"timeout": None})
        self.tried.append((address, anyio.current_time() - self._started))
        if address not in self._delays:
            raise ConnectError(address)
        with anyio.CancelScope(shield=True):  # a connection may be made in the moment of a cancellation
            await anyio.sleep(self._delays[address])
        self.streams.append(FakeStream(address))
        return self.streams[-1]


async def connect(network: FakeNetwork, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> Any:
    """Connect to a name with these addresses."""
    families = {True: socket.AF_INET6, False: socket.AF_INET}
    found = [(families[":" in one], socket.SOCK_STREAM, 6, "", (one, 443)) for one in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    return await ResolvingNetwork(network, ConnectError).connect_tcp(NAME, 443, timeout=None)


async def test_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only address is connected to, and an address is not resolved."""
    network = FakeNetwork({"10.0.0.1": 1.0, "::1": 0.0})
    assert (await connect(network, monkeypatch, "10.0.0.1")).address == "10.0.0.1"
    assert (await ResolvingNetwork(network, ConnectError).connect_tcp("::1", 443, timeout=None)).address == "::1"
    assert network.tried == [("10.0.0.1", 0.0), ("::1", 1.0)]


async def test_next_address_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that refuses is followed at once by the next one, of the other family."""
    network = FakeNetwork({"10.0.0.1": 0.0})
    found = await connect(network, monkeypatch, "fd00::1", "fd00::2", "10.0.0.1", "10.0.0.1")
    assert found.address == "10.0.0.1"
    assert network.tried == [("fd00::1", 0.0), ("10.0.0.1", 0.0)]


async def test_next_address_after_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that does not respond is followed by the next one 250 ms later, and the first connection is used."""
    network = FakeNetwork({"fd00::1": 0.6, "10.0.0.1": 0.1})
    assert (await connect(network, monkeypatch, "fd00::1", "10.0.0.1")).address == "10.0.0.1"
    assert network.tried == [("fd00::1", 0.0), ("10.0.0.1", NEXT_ADDRESS_DELAY)]
    assert [(one.address, one.is_closed) for one in network.streams] == [("10.0.0.1", False), ("fd00::1", True)]


async def test_no_address_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every address refuses, the last reason is raised."""
    with pytest.raises(ConnectError, match=r"10\.0\.0\.2"):
        await connect(FakeNetwork({}), monkeypatch, "10.0.0.1", "10.0.0.2")


async def test_cancelled_in_the_moment_of_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is made while the caller is cancelled is closed."""
    network = FakeNetwork({"10.0.0.1": 0.2, "10.0.0.2": 0.2})
    with anyio.move_on_after(0.1) as scope:
        await connect(network, monkeypatch, "10.0.0.1", "10.0.0.2")
    assert scope.cancelled_caught
    assert [(one.address, one.is_closed) for one in network.streams] == [("10.0.0.1", True)]
