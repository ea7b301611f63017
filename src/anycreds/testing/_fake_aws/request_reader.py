"""Parses HTTP/1.1 requests from bytes, for connections on sockets and in memory."""

from __future__ import annotations

import re

import h11

from .messages import FakeRequest

_ABSOLUTE = re.compile("https?://[^/?]*", re.IGNORECASE)


class RequestReader:
    """Parses the requests of one connection. It performs no I/O."""

    __slots__ = ("_http", "_request", "is_closed", "keep_alive")

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)
        self._request: FakeRequest | None = None
        self.keep_alive = True
        """Whether the client keeps the connection for another request after the one that was read last."""
        self.is_closed = False
        """Whether the client has closed the connection, so that no request follows."""

    def receive(self, data: bytes) -> None:
        """Add received bytes; empty bytes mean the end of the connection."""
        self._http.receive_data(data)

    def next_request(self) -> FakeRequest | None:
        """Return the next complete request; None if more bytes are needed. Raises ``h11.RemoteProtocolError``."""
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                target = _origin_form(event.target.decode("latin-1"))
                method, path = event.method.decode("ascii"), target.partition("?")[0]
                self._request = FakeRequest(method, path, dict(event.headers), target)
            elif isinstance(event, h11.Data) and self._request is not None:
                self._request = self._request._replace(body=self._request.body + event.data)
            elif isinstance(event, h11.EndOfMessage):
                return self._finish()
            else:
                self.is_closed = isinstance(event, h11.ConnectionClosed)
                return None

    def _finish(self) -> FakeRequest | None:
        # The response is not sent through h11, because faults are not valid HTTP. So each request has its own parser.
        self.keep_alive = self._http.their_state is not h11.MUST_CLOSE
        rest, _ = self._http.trailing_data
        request, self._request = self._request, None
        self._http = h11.Connection(h11.SERVER)
        if rest:
            self._http.receive_data(rest)
        return request


def _origin_form(target: str) -> str:
    """Return a target without the scheme and host that a client may send with it (RFC 9112, section 3.2.2)."""
    return target if target.startswith("/") else _ABSOLUTE.sub("", target, count=1) or "/"
