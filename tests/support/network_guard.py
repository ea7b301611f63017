"""No test may reach beyond this machine. Whoever tries fails, at once and, if that was swallowed, at the test's end.

Python's sockets are watched by an audit hook, which sees every thread and every library. uvloop has sockets of its own,
so that its methods are watched. A program that a test starts is not.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_INTERNET = (socket.AF_INET, socket.AF_INET6)

_attempts: list[str] | None = None
"""What the running test tried; None: no test runs, and nothing is watched."""


def is_near(host: Any) -> bool:
    """Tell whether a host is this machine by a name or address that cannot mean anything else."""
    if isinstance(host, bytes | bytearray):
        host = host.decode("latin-1")
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _refuse_unless_near(what: str, host: Any) -> None:
    if _attempts is not None and not is_near(host):
        attempt = f"{what} {host!r}"
        _attempts.append(attempt)
        pytest.fail(f"reached beyond loopback: {attempt}")


def _peer(sock: socket.socket, address: Any) -> Any:
    """Return the host of an address, None if it cannot leave this machine."""
    if sock.family not in _INTERNET:
        return None if sock.family == getattr(socket, "AF_UNIX", None) else f"{sock.family!r} {address!r}"
    return address[0] if isinstance(address, tuple) else None  # None: sendmsg() on a connected socket


_WATCHED: dict[str, Callable[..., Any]] = {
    "socket.connect": _peer,
    "socket.sendto": _peer,
    "socket.sendmsg": _peer,
    "socket.getaddrinfo": lambda host, *_: host,
    "socket.gethostbyname": lambda host: host,
    "socket.gethostbyaddr": lambda host: host,
    "socket.getnameinfo": lambda address: address[0],
}


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _attempts is not None and (host_of := _WATCHED.get(event)):
        _refuse_unless_near(event, host_of(*args))


def _watch_uvloop() -> None:
    try:
        import uvloop
    except ImportError:
        return
    loop: Any = uvloop.Loop
    connect, datagram, resolve = loop.create_connection, loop.create_datagram_endpoint, loop.getaddrinfo

    def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        _refuse_unless_near("uvloop create_connection", host)
        return connect(self, factory, host, port, **options)

    def create_datagram_endpoint(self: Any, factory: Any, local: Any = None, remote: Any = None, **options: Any) -> Any:
        remote = options.pop("remote_addr", remote)
        local = options.pop("local_addr", local)
        _refuse_unless_near("uvloop create_datagram_endpoint", remote[0] if isinstance(remote, tuple) else None)
        return datagram(self, factory, local, remote, **options)

    def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        _refuse_unless_near("uvloop getaddrinfo", host)
        return resolve(self, host, port, **options)

    loop.create_connection = create_connection
    loop.create_datagram_endpoint = create_datagram_endpoint
    loop.getaddrinfo = getaddrinfo


def pytest_configure(config: pytest.Config) -> None:
    if not getattr(sys, "_anycreds_loopback", False):  # a hook cannot be taken away, so there must be one only
        sys._anycreds_loopback = True  # type: ignore[attr-defined]
        sys.addaudithook(_hook)
        _watch_uvloop()


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[list[str]]:
    """Fail the test if it reaches beyond loopback. The value lists what it tried."""
    global _attempts  # noqa: PLW0603 - the hook is one for the process, and so is what it knows
    attempts: list[str] = []
    before, _attempts = _attempts, attempts
    try:
        yield attempts
    finally:
        _attempts = before
    if attempts:
        pytest.fail("reached beyond loopback: " + ", ".join(attempts), pytrace=False)
