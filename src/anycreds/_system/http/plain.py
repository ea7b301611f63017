"""Plain http to addresses of this machine or its link: the endpoints of EC2, ECS and EKS, and others on loopback.

There are no proxies, redirects, cookies, codings or certificates here, so h11 and a socket are enough. A socket is
closed without waiting, so that no cancellation can leave one open. A name is never resolved.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Protocol, Self, TypeAlias

import anyio
import h11

from ..._core.http import Request, Response, TransportFailure, Url
from .errors import describe_os_error
from .headers import encode_headers
from .socket_limit import ResponseTooLargeError, SocketReads, check_length

# Those of `localhost`, in the order of trying. The name is never resolved: it must not lead to another machine.
LOCALHOST = ("127.0.0.1", "::1")
_MAX_READ = 64 * 1024  # bytes of one read; a response with credentials has a few KiB
_MAX_INCOMPLETE = 100 * 1024  # bytes that h11 keeps while it waits for the end of a line or head; the same as httpcore


class Stream(Protocol):
    """A connection. Errors are ``OSError``."""

    async def send(self, data: bytes) -> None:
        """Send all bytes."""

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next bytes; none if the server has closed the connection."""

    def is_readable(self) -> bool:
        """Return whether the server has closed the connection, or sent more than was requested."""

    def close(self) -> None:
        """Close the connection."""


Connect: TypeAlias = Callable[[str, int], Awaitable[Stream]]
"""Opens a connection to an address and port."""


class PlainHttp:
    """The connections of one attempt: one per host for all its exchanges, if the server keeps it open."""

    __slots__ = ("_connect", "_idle")

    def __init__(self, connect: Connect | None = None) -> None:
        self._connect = SocketStream.connect if connect is None else connect
        self._idle: dict[Url, Stream] = {}

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.popitem()[1].close()

    async def exchange(self, request: Request) -> Response | TransportFailure:
        """Send a request, and read the response up to the request's limit."""
        http = h11.Connection(h11.CLIENT, _MAX_INCOMPLETE)
        try:
            message = _encode(http, request)
        except (h11.LocalProtocolError, ValueError) as error:
            return TransportFailure("broken", f"{type(error).__name__}: {describe_os_error(error)}")
        try:
            stream = await self._open(request.url)
        except OSError as error:
            return TransportFailure("unreachable", describe_os_error(error))
        try:
            return await _exchange(http, stream, message, request.limit)
        finally:
            self._keep_or_close(http, stream, request.url)

    async def _open(self, url: Url) -> Stream:
        """Return an open connection. Raise the error of the last address."""
        stream = self._idle.pop(_server(url), None)
        if stream is not None:
            if not stream.is_readable():
                return stream
            stream.close()
        addresses = LOCALHOST if url.host == "localhost" else (url.host,)
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connect(address, url.port or 80)
        return await self._connect(addresses[-1], url.port or 80)

    def _keep_or_close(self, http: h11.Connection, stream: Stream, url: Url) -> None:
        is_complete = http.our_state is http.their_state is h11.DONE and not http.trailing_data[0]
        if is_complete and self._idle.setdefault(_server(url), stream) is stream:
            return
        stream.close()


def _server(url: Url) -> Url:
    return url._replace(target="")


def _encode(http: h11.Connection, request: Request) -> bytes:
    """Return the bytes of a request. The host is not a part of them, so it needs no check here."""
    head = h11.Request(method=request.method, target=request.url.target, headers=encode_headers(request))
    events = (head, h11.Data(data=request.body), h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)


async def _exchange(http: h11.Connection, stream: Stream, message: bytes, limit: int) -> Response | TransportFailure:
    try:
        try:
            await stream.send(message)
        except OSError:  # a server may respond, and close the connection, before it has read everything
            http.send_failed()
        return await _read(http, stream, limit)
    except ResponseTooLargeError as error:
        return TransportFailure("too large", str(error))
    except h11.RemoteProtocolError as error:
        return TransportFailure("broken", f"{type(error).__name__}: {describe_os_error(error)}")
    except OSError as error:
        return TransportFailure("broken", f"ReadError: {describe_os_error(error)}")


async def _read(http: h11.Connection, stream: Stream, limit: int) -> Response:
    """Return the response, undecoded. Raise an error if there is none, or if it is too large."""
    reads, status, headers, body = SocketReads(limit), 0, dict[str, str](), bytearray()
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = await stream.receive(_MAX_READ)
            reads.count(data)
            http.receive_data(data)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > limit:
                raise ResponseTooLargeError(f"the response has more than {limit} bytes")
        elif isinstance(event, h11.Response):  # an interim response is of another type
            status, headers = event.status_code, _decode(event.headers)
            check_length(headers, limit)
    return Response(status, headers, bytes(body))


def _decode(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers, with the values of equal names joined."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


class SocketStream:
    """A TCP connection. Whatever ends a wait, the socket has no task or callback that would have to be ended too."""

    __slots__ = ("_socket",)

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    @classmethod
    async def connect(cls, address: str, port: int) -> Self:
        """Connect to an IP address."""
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                made.connect((address, port))
            except BlockingIOError:
                await _wait_until_connected(made)
        except BaseException:
            made.close()
            raise
        return cls(made)

    async def send(self, data: bytes) -> None:
        """Send all bytes. See ``Stream``."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)

    async def receive(self, max_bytes: int) -> bytes:
        """Return the next bytes. See ``Stream``."""
        while True:
            await anyio.wait_readable(self._socket)
            with suppress(BlockingIOError):  # a system may report data that it drops then
                return self._socket.recv(max_bytes)

    def is_readable(self) -> bool:
        """Return whether there is something to read, or the connection is closed. See ``Stream``."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return not isinstance(error, BlockingIOError)
        return True

    def close(self) -> None:
        """Close the connection. See ``Stream``."""
        self._socket.close()


async def _wait_until_connected(connecting: socket.socket) -> None:
    with suppress(OSError):
        connecting.getpeername()
        return  # it is already, as usual on this machine; a wait would take longer than everything else here
    await anyio.wait_writable(connecting)
    if number := connecting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(number, os.strerror(number))
