"""Responses that are unusual in any way, read by h11. Importing it takes 5 ms, so it is imported for them only."""

from __future__ import annotations

from collections.abc import Iterable

import h11

from ..._core.http import Request, Response, TransportFailure
from .headers import encode_headers
from .socket_limit import ResponseTooLargeError, SocketReads, check_length
from .sockets import MAX_READ, Stream

_MAX_INCOMPLETE = 100 * 1024  # bytes that h11 keeps while it waits for the end of a line or head; the same as httpcore


async def read_response(
    stream: Stream, request: Request, data: bytes, reads: SocketReads
) -> tuple[Response | TransportFailure, bool]:
    """Return the response that begins with ``data``, and whether the connection can be used for another exchange."""
    http = _connection_after(request)
    http.receive_data(data)
    try:
        response = await _read(http, stream, reads, request.limit)
    except h11.RemoteProtocolError as error:
        return TransportFailure("broken", f"{type(error).__name__}: no further details"), False
    return response, http.our_state is http.their_state is h11.DONE and not http.trailing_data[0]


def _connection_after(request: Request) -> h11.Connection:
    """Return the state of a connection on which a request was sent."""
    http = h11.Connection(h11.CLIENT, _MAX_INCOMPLETE)
    http.send(h11.Request(method=request.method, target=request.url.target, headers=encode_headers(request)))
    http.send(h11.Data(data=request.body))
    http.send(h11.EndOfMessage())
    return http


async def _read(http: h11.Connection, stream: Stream, reads: SocketReads, limit: int) -> Response:
    """Return the response, undecoded. Raise an error if there is none, or if it is too large."""
    status, headers, body = 0, dict[str, str](), bytearray()
    while not isinstance(event := http.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = await stream.receive(MAX_READ)
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
