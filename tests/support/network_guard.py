"""Fails every test that uses another network than loopback, at once and again at its end if that error was swallowed.

An audit hook watches Python's sockets in all threads and libraries. uvloop has its own sockets, so its methods are
wrapped. Processes that a test starts are not watched.
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
"""The attempts of the running test; None if no test is running."""


def is_loopback(host: Any) -> bool:
    """Return whether a host is a loopback address or ``localhost``."""
    if isinstance(host, bytes | bytearray):
        host = host.decode("latin-1")
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _check_host(operation: str, host: Any) -> None:
    if _attempts is not None and not is_loopback(host):
        attempt = f"{operation} {host!r}"
        _attempts.append(attempt)
        pytest.fail(f"used a network beyond loopback: {attempt}")


def _host_of(sock: socket.socket, address: Any) -> Any:
    """Return the host of an address; None if the socket is local."""
    if sock.family not in _INTERNET:
        return None if sock.family == getattr(socket, "AF_UNIX", None) else f"{sock.family!r} {address!r}"
    return address[0] if isinstance(address, tuple) else None  # None: sendmsg() on a connected socket


_WATCHED: dict[str, Callable[..., Any]] = {
    "socket.connect": _host_of,
    "socket.sendto": _host_of,
    "socket.sendmsg": _host_of,
    "socket.getaddrinfo": lambda host, *_: host,
    "socket.gethostbyname": lambda host: host,
    "socket.gethostbyaddr": lambda host: host,
    "socket.getnameinfo": lambda address: address[0],
}


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _attempts is not None and (host_of := _WATCHED.get(event)):
        _check_host(event, host_of(*args))


def _watch_uvloop() -> None:
    try:
        import uvloop
    except ImportError:
        return
    loop: Any = uvloop.Loop
    connect, datagram, resolve = loop.create_connection, loop.create_datagram_endpoint, loop.getaddrinfo

    def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        _check_host("uvloop create_connection", host)
        return connect(self, factory, host, port, **options)

    def create_datagram_endpoint(self: Any, factory: Any, local: Any = None, remote: Any = None, **options: Any) -> Any:
        remote = options.pop("remote_addr", remote)
        local = options.pop("local_addr", local)
        _check_host("uvloop create_datagram_endpoint", remote[0] if isinstance(remote, tuple) else None)
        return datagram(self, factory, local, remote, **options)

    def getaddrinfo(self: Any, host: Any, port: Any, **options: Any) -> Any:
        _check_host("uvloop getaddrinfo", host)
        return resolve(self, host, port, **options)

    loop.create_connection = create_connection
    loop.create_datagram_endpoint = create_datagram_endpoint
    loop.getaddrinfo = getaddrinfo


def pytest_configure(config: pytest.Config) -> None:
    if not getattr(sys, "_anycreds_loopback", False):  # an audit hook cannot be removed, so it is added once
        sys._anycreds_loopback = True  # type: ignore[attr-defined]
        sys.addaudithook(_hook)
        _watch_uvloop()


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[list[str]]:
    """Fail the test if it uses a network beyond loopback. The value lists its attempts."""
    global _attempts  # noqa: PLW0603 - the process has one audit hook
    attempts: list[str] = []
    before, _attempts = _attempts, attempts
    try:
        yield attempts
    finally:
        _attempts = before
    if attempts:
        pytest.fail("used a network beyond loopback: " + ", ".join(attempts), pytrace=False)
