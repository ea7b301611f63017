"""One accepted connection: h11 over a non-blocking socket. It knows bytes and requests, not what they mean.

Plain sockets rather than streams, because a fake has to misbehave alike on every event loop: resets, torn answers.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Mapping
from http.client import responses
from typing import NamedTuple

import anyio
import h11

from .messages import Answer, Asked
from .recording import NOTHING, SignedFor

# Requests here are a few hundred bytes long; a bigger one takes a second turn.
_RECEIVE = 16 * 1024
_ABSOLUTE = re.compile("https?://[^/?]*", re.IGNORECASE)
# SO_LINGER on, for 0 s: closing such a socket resets the connection.
_LINGER_NOT = struct.pack("ii", 1, 0)


class Exchange(NamedTuple):
    """One request that came, and what became of it. ``route`` is one of ``ROUTES``, or ``"other"``."""

    route: str
    method: str
    path: str
    status: int | None
    """The status that it is answered with; None: it gets no answer."""
    at: float
    """When it had come in, by the wall clock of the fake's ``clock``."""
    connection: int
    """The number of its connection, from 1."""
    parameters: Mapping[str, str] = NOTHING
    """What a service was asked with, in the order in which it came; of secrets their length only."""
    signed_for: SignedFor | None = None
    """The key id, region and service that its signature names; None: it is not signed."""


def _origin_form(target: str) -> str:
    """Return a target without the scheme and host that clients may write before it (RFC 9112, section 3.2.2)."""
    return target if target.startswith("/") else _ABSOLUTE.sub("", target, count=1) or "/"


class ClientGoneError(Exception):
    """The client has closed its connection while an answer to it was due."""


class Line:
    """A connection to one client."""

    __slots__ = ("_http", "_sock", "number")

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._http = h11.Connection(h11.SERVER)
        self.number = number

    async def next_request(self) -> Asked | None:
        """Wait for the next request and read it whole; None: there will be none.

        Raises ``h11.RemoteProtocolError`` for what is not HTTP.
        """
        asked, body = None, b""
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._receive())
            elif isinstance(event, h11.Request):
                target = _origin_form(event.target.decode("latin-1"))
                headers = dict(event.headers)
                asked = Asked(event.method.decode("ascii"), target.partition("?")[0], headers, target)
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                break  # the request's end, or the connection's
        if asked is None or self._http.our_state is not h11.SEND_RESPONSE:
            return None
        return asked._replace(body=body)

    def may_go_on(self) -> bool:
        """Tell whether another request may come after the answer that was sent, and get ready for it."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def encode(self, answer: Answer, length: int | None = None) -> bytes:
        """Return the bytes of a whole answer; with ``length``, of one whose body is not complete before that."""
        head = self.encode_head(answer, len(answer.body) if length is None else length)
        body = self.encode_body(answer.body)
        return head + body if length is not None else head + body + self.encode_end()

    def encode_head(self, answer: Answer, length: int | None) -> bytes:
        """Return the bytes of an answer's head. ``length`` of the body; None: it comes in chunks."""
        size = [] if length is None else [("Content-Length", str(length))]
        reason = responses.get(answer.status, "")
        headers = [*answer.headers, *size]
        return self._http.send(h11.Response(status_code=answer.status, headers=headers, reason=reason)) or b""

    def encode_body(self, data: bytes) -> bytes:
        """Return the bytes of a piece of the body."""
        return self._http.send(h11.Data(data=data)) or b""

    def encode_end(self) -> bytes:
        """Return the bytes that end the body."""
        return self._http.send(h11.EndOfMessage()) or b""

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises ``OSError`` if the client has gone."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)

    async def pause(self, seconds: float) -> None:
        """Wait for so many seconds. Raises ``ClientGoneError`` as soon as the client closes."""
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self._sock)
            if not self._sock.recv(1, socket.MSG_PEEK):
                raise ClientGoneError
            await anyio.sleep_forever()  # it sent more already, so that its end cannot be seen

    def reset(self) -> None:
        """End the connection with a reset instead of an orderly close."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._sock.recv(_RECEIVE)
            except BlockingIOError:
                await anyio.wait_readable(self._sock)
