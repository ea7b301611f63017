"""Plain http to addresses of this machine or its link: the endpoints of EC2, ECS and EKS, and others on loopback.

There are no proxies, redirects, cookies, codings or certificates here, so a socket is enough, without httpx.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

from ..._core.http import Request, Response, TransportFailure, Url
from ..preload import preload
from .errors import describe_os_error
from .headers import encode_headers
from .simple_responses import parse_simple_response
from .socket_limit import ResponseTooLargeError, SocketReads
from .sockets import MAX_READ, Connect, SocketStream, Stream, do_nothing

# Those of `localhost`, in the order of trying. The name is never resolved: it must not lead to another machine.
LOCALHOST = ("127.0.0.1", "::1")
_H11 = f"{__package__}.h11_responses"
# RFC 9112: what can be sent. h11 has the same rules.
_REQUEST_LINE = re.compile(rb"[A-Z]+ [!-~]+ HTTP/1\.1")
_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: (?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


class PlainHttp:
    """The connections of one attempt: one per host for all its exchanges, if the server keeps it open."""

    __slots__ = ("_connect", "_idle")

    def __init__(self, connect: Connect | None = None) -> None:
        self._connect = SocketStream.connect if connect is None else connect
        self._idle: dict[tuple[str, str, int | None], Stream] = {}  # by scheme, host and port

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.popitem()[1].close()

    async def exchange(
        self, request: Request, before_wait: Callable[[], None] = do_nothing
    ) -> Response | TransportFailure:
        """Send a request, and read the response up to the request's limit. Call ``before_wait`` before waiting."""
        try:
            message = _encode(request)
        except ValueError as error:
            return TransportFailure("broken", f"{type(error).__name__}: {describe_os_error(error)}")
        try:
            stream = await self._open(request.url, before_wait)
        except OSError as error:
            return TransportFailure("unreachable", describe_os_error(error))
        is_open = False
        try:
            result, is_open = await _exchange(stream, request, message, before_wait)
        except ResponseTooLargeError as error:
            return TransportFailure("too large", str(error))
        except OSError as error:
            return TransportFailure("broken", f"ReadError: {describe_os_error(error)}")
        finally:
            if not is_open or self._idle.setdefault(request.url[:3], stream) is not stream:
                stream.close()
        return result

    async def _open(self, url: Url, before_wait: Callable[[], None]) -> Stream:
        """Return an open connection. Raise the error of the last address."""
        stream = self._idle.pop(url[:3], None)
        if stream is not None:
            if not stream.is_readable():
                return stream
            stream.close()
        addresses = LOCALHOST if url.host == "localhost" else (url.host,)
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self._connect(address, url.port or 80, before_wait)
        return await self._connect(addresses[-1], url.port or 80, before_wait)


def _encode(request: Request) -> bytes:
    """Return the bytes of a request. Raise ``ValueError`` if they would not be one."""
    first = f"{request.method} {request.url.target} HTTP/1.1".encode("ascii")
    headers = [b"%b: %b" % header for header in encode_headers(request)]
    if not _REQUEST_LINE.fullmatch(first) or not all(map(_HEADER.fullmatch, headers)):
        raise ValueError("the request has a character that http cannot express")
    return b"\r\n".join((first, *headers, b"", request.body))


async def _exchange(
    stream: Stream, request: Request, message: bytes, before_wait: Callable[[], None]
) -> tuple[Response | TransportFailure, bool]:
    """Return the response, and whether the connection can be used for another exchange. Raise an error if it fails."""
    is_open = True
    try:
        await stream.send(message, before_wait)
    except OSError:  # a server may respond, and close the connection, before it has read everything
        is_open = False
    reads = SocketReads(request.limit)
    before_wait()
    data = await stream.receive(MAX_READ)
    reads.count(data)
    response = parse_simple_response(data, request.limit)
    if response is not None:
        return response, is_open
    await preload((_H11,))
    from .h11_responses import read_response

    result, can_be_used = await read_response(stream, request, data, reads)
    return result, is_open and can_be_used
