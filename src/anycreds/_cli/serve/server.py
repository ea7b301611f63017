"""The server of ``serve``: bounded in connections, time and size; one request on each connection.

It knows HTTP, and asks a provider; who gets what is decided in ``_serve_answers``. No log record holds a token.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import anyio
import h11
from anyio.abc import SocketListener, SocketStream

from ... import CachedProvider, CredentialsError
from ..._core.logs import log
from .responses import Answer, Door, granted, refusal

# So many clients are served at once; others wait in the system's queue. A process on this machine that keeps all of
# them busy must come anew every few seconds.
MOST_CONNECTIONS = 64
LARGEST_HEAD = 16 * 1024  # bytes; a request of an SDK has less than one KiB
READ_TIME = 5.0  # seconds for a request to come in: on loopback it is one packet
WRITE_TIME = 5.0  # seconds for an answer to be taken
# After the answer, the client closes. What it has not done by then, or still sends, is not waited for. To close at once
# would reset the connection if there is something that was not read, and the answer would be lost with it.
FAREWELL = 1.0
_RECEIVE = 4096
_OUT_OF_FILES_PAUSE = 0.1  # seconds until the next try to accept, when the process has no file descriptor left


def listen(port: int) -> socket.socket:
    """Return a socket that listens on loopback; 0: on any free port. Raises ``OSError``."""
    return socket.create_server(("127.0.0.1", port), backlog=socket.SOMAXCONN)


class Endpoint:
    """Serves the credentials of one provider, whose one refresh is shared by all clients."""

    def __init__(self, provider: CachedProvider, door: Door) -> None:
        self._provider = provider
        self._door = door
        self._places = anyio.Semaphore(MOST_CONNECTIONS)

    async def serve(self, listening: socket.socket) -> None:
        """Serve until it is cancelled."""
        async with await SocketListener.from_socket(listening) as listener, anyio.create_task_group() as tasks:
            while True:
                await self._places.acquire()
                try:
                    stream = await listener.accept()
                except OSError:  # no descriptor left, or the client has gone already
                    self._places.release()
                    await anyio.sleep(_OUT_OF_FILES_PAUSE)
                else:
                    tasks.start_soon(self._serve, stream)

    async def _serve(self, stream: SocketStream) -> None:
        try:
            async with stream:
                await self._exchange(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            pass  # the client left, which it may do at any time
        finally:
            self._places.release()

    async def _exchange(self, stream: SocketStream) -> None:
        request = await _request(stream)
        if request is None:
            return
        if isinstance(request, Answer):
            answer, with_body = request, True
        else:
            answer = self._door.check(request.method, request.target, request.headers) or await self._credentials()
            with_body = request.method != b"HEAD"
        log("serve", "debug", "answered with status %d", answer.status)
        with anyio.move_on_after(WRITE_TIME):
            await stream.send(answer.encoded(with_body=with_body))
            await stream.send_eof()
            await _drain(stream)

    async def _credentials(self) -> Answer:
        try:
            return granted(await self._provider())
        except CredentialsError as error:
            return refusal(503, str(error), type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one client's trouble is not the others'
            log("serve", "error", "asking for credentials raised %s", type(error).__name__)
            return refusal(500, "an error in anycreds")


async def _request(stream: SocketStream) -> h11.Request | Answer | None:
    """Return a request's head; or what to say if there is none. None: the client has gone."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
    with anyio.move_on_after(READ_TIME):
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return refusal(431 if error.error_status_hint == 431 else 400, "this is not an HTTP request")
            if event is h11.NEED_DATA:
                connection.receive_data(await _receive(stream))
            else:
                return event if isinstance(event, h11.Request) else None
    return refusal(408, "the request did not come in in time")


async def _drain(stream: SocketStream) -> None:
    with anyio.move_on_after(FAREWELL):
        while await _receive(stream):
            pass


async def _receive(stream: SocketStream) -> bytes:
    """Return what came; nothing: the client sends no more."""
    with suppress(anyio.EndOfStream):
        return await stream.receive(_RECEIVE)
    return b""
