"""The HTTP server of ``serve``, with limits for connections, time and size, and one request for each connection.

Every connection is accepted at once, so that a process without the token cannot delay a client. ``responses`` decides
which request gets credentials. No log record contains a token.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import anyio
import h11
from anyio.abc import SocketListener, SocketStream

from ... import CachedProvider, CredentialsError
from ..._core.logs import log
from .responses import AccessCheck, ServerResponse, credentials_response, error_response

# Connections without the token. If there is one more, the oldest is closed: a client sends its request at once, so it
# is the oldest only if this many others connect within a millisecond. Most systems allow 256 descriptors or more.
MAX_UNAUTHORIZED = 64
MAX_HEAD_SIZE = 16 * 1024  # bytes; a request of an SDK has less than 1 KiB
READ_TIMEOUT = 1.0  # seconds for the head of a request: on loopback it is one packet
WRITE_TIMEOUT = 5.0  # seconds for a response
# Seconds that a client has to close the connection after the response. Closing at once would reset the connection if
# some of the request has not been read, and the client would lose the response.
CLOSE_TIMEOUT = 1.0
_RECEIVE_SIZE = 4096
_ACCEPT_RETRY_DELAY = 0.1  # seconds, when the process has no file descriptor left


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback, on any free port if it is 0. Raises ``OSError``."""
    return socket.create_server(("127.0.0.1", port), backlog=socket.SOMAXCONN)


class CredentialServer:
    """Serves the credentials of one provider, whose refresh all clients share."""

    def __init__(self, provider: CachedProvider, access: AccessCheck) -> None:
        self._provider = provider
        self._access = access
        self._unauthorized: dict[anyio.CancelScope, None] = {}  # of each connection without the token, oldest first

    async def serve(self, listening: socket.socket) -> None:
        """Serve until it is cancelled."""
        async with await SocketListener.from_socket(listening) as listener, anyio.create_task_group() as tasks:
            while True:
                try:
                    stream = await listener.accept()
                except OSError:  # no file descriptor is left, or the client has closed the connection already
                    await anyio.sleep(_ACCEPT_RETRY_DELAY)
                    continue
                scope = anyio.CancelScope()
                self._unauthorized[scope] = None
                if len(self._unauthorized) > MAX_UNAUTHORIZED:
                    oldest = next(iter(self._unauthorized))
                    del self._unauthorized[oldest]
                    oldest.cancel()
                tasks.start_soon(self._serve_connection, stream, scope)

    async def _serve_connection(self, stream: SocketStream, scope: anyio.CancelScope) -> None:
        # The client may close the connection at any time.
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            async with stream:
                with scope:
                    await self._respond(stream, scope)
        self._unauthorized.pop(scope, None)

    async def _respond(self, stream: SocketStream, scope: anyio.CancelScope) -> None:
        request = await _read_request(stream)
        if request is None:
            return
        if isinstance(request, ServerResponse):
            response, with_body = request, True
        else:
            error = self._access.check(request.method, request.target, request.headers)
            if error is None:
                self._unauthorized.pop(scope, None)
            response, with_body = error or await self._credentials(), request.method != b"HEAD"
        log("serve", "debug", "sent a response with status %d", response.status)
        with anyio.move_on_after(WRITE_TIMEOUT):
            await stream.send(response.encode(with_body=with_body))
            await stream.send_eof()
            await _wait_for_close(stream)

    async def _credentials(self) -> ServerResponse:
        try:
            return credentials_response(await self._provider())
        except CredentialsError as error:
            return error_response(503, str(error), type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one failed request must not end the server
            log("serve", "error", "getting credentials raised %s", type(error).__name__)
            return error_response(500, "an error in anycreds")


async def _read_request(stream: SocketStream) -> h11.Request | ServerResponse | None:
    """Return the head of a request, or the error response; None if the client has closed the connection."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_SIZE)
    with anyio.move_on_after(READ_TIMEOUT):
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return error_response(431 if error.error_status_hint == 431 else 400, "this is not an HTTP request")
            if event is h11.NEED_DATA:
                connection.receive_data(await _receive(stream))
            else:
                return event if isinstance(event, h11.Request) else None
    return error_response(408, f"the request was not complete within {READ_TIMEOUT:g} s")


async def _wait_for_close(stream: SocketStream) -> None:
    with anyio.move_on_after(CLOSE_TIMEOUT):
        while await _receive(stream):
            pass


async def _receive(stream: SocketStream) -> bytes:
    """Return the next bytes, none at the end of the stream."""
    with suppress(anyio.EndOfStream):
        return await stream.receive(_RECEIVE_SIZE)
    return b""
