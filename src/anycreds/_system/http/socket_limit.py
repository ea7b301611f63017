"""Limits what one exchange reads from its socket: interim responses, headers and chunks are not part of the body."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from typing import Any

# Bytes beside the body. The head of a response has a few hundred; h11 accepts 100 KiB of headers.
_FRAMING_LIMIT = 64 * 1024
# Each header, chunk or interim response has a line of its own, and takes the parser 5 to 20 µs: 50 ms in all. Responses
# of AWS have less than 100 lines.
_MAX_LINES = 4096


class ResponseTooLargeError(Exception):
    """The server has sent more than one exchange reads."""


class SocketReads:
    """What one exchange may still read from its socket."""

    __slots__ = ("_body_limit", "_bytes_left", "_lines_left")

    def __init__(self, body_limit: int) -> None:
        self._body_limit = body_limit
        self._bytes_left = body_limit + _FRAMING_LIMIT
        self._lines_left = _MAX_LINES

    def count(self, data: bytes) -> None:
        """Count the bytes of one read; raise ``ResponseTooLargeError`` beyond a limit."""
        self._bytes_left -= len(data)
        self._lines_left -= data.count(b"\n")
        if self._bytes_left < 0:
            raise ResponseTooLargeError(f"the response has more than {self._body_limit} bytes")
        if self._lines_left < 0:
            raise ResponseTooLargeError(f"the response has more than {_MAX_LINES} lines")


def check_length(headers: Mapping[str, str], limit: int) -> None:
    """Raise ``ResponseTooLargeError`` if the body that the headers of a response declare is larger than the limit."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise ResponseTooLargeError(f"the response has {declared[:20]} bytes; at most {limit} are read")


# Of the exchange in this task. Exchanges of several tasks share a client, and later ones its open connections.
current_reads: ContextVar[SocketReads | None] = ContextVar("anycreds_socket_reads", default=None)


def limit_stream(stream: Any) -> None:
    """Let a network stream of httpcore count what is read from it."""
    with suppress(TypeError):  # a stream of the user's client may be of any type
        stream.__class__ = _limited_type(stream.__class__)


@cache
def _limited_type(kind: Any) -> Any:
    """Return a subclass whose ``read`` counts. A stream can change to it, as both have the same attributes."""
    if hasattr(kind, "_counts_reads"):
        return kind

    class LimitedStream(kind):  # type: ignore[misc]
        __slots__ = ()
        _counts_reads = True

        async def read(self, *arguments: Any, **options: Any) -> bytes:
            data: bytes = await super().read(*arguments, **options)
            if (reads := current_reads.get()) is not None:
                reads.count(data)
            return data

    return LimitedStream
