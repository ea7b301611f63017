"""How faults happen: some change the response, the others the way in which it is sent."""

from __future__ import annotations

import gzip
from http.client import responses

from .._faults import (
    Body,
    Delay,
    Drip,
    Flood,
    Gzip,
    HalfBody,
    Hang,
    OneFault,
    Raw,
    Redirect,
    ResetAfter,
    Status,
)
from .messages import JSON, FakeResponse
from .steps import Script

_FLOOD_BLOCK = b"x" * (64 * 1024)  # about as much as a socket accepts at once


def replacement(fault: OneFault | None) -> FakeResponse | None:
    """Return the response that replaces that of the service; None if the service must create it."""
    match fault:
        case Status(code, body, headers):
            return FakeResponse(code, headers, body)
        case Body(body):
            return FakeResponse(200, JSON, body)
        case Redirect(to, code):
            return FakeResponse(code, (("Location", to),), b"")
        case Raw() | Hang() | Drip() | Flood():
            return FakeResponse(200, JSON, b"")  # steps_for() adds the body, if there is one
        case _:
            return None


def steps_for(fault: OneFault | None, response: FakeResponse) -> Script:
    """Return the steps that send a response as the fault requires."""
    if isinstance(fault, Gzip):
        headers = (*response.headers, ("Content-Encoding", "gzip"))
        response = FakeResponse(response.status, headers, gzip.compress(response.body, mtime=0))
    whole = _encode_head(response, len(response.body)) + response.body
    match fault:
        case Raw(data):
            return [("send", data), ("close",)]
        case Hang():
            return [("hang",)]
        case Delay(seconds):
            return [("sleep", seconds), ("send", whole)]
        case Drip(data, every, count):
            return _encode_repeated(response, data, every, count)
        case Flood(None):
            return _encode_repeated(response, _FLOOD_BLOCK, 0.0, None)
        case Flood(int(total)):
            count, rest = divmod(total, len(_FLOOD_BLOCK))
            head = _encode_head(response, total)
            return [("send", head), ("drip", _FLOOD_BLOCK, 0.0, count), ("send", _FLOOD_BLOCK[:rest])]
        case ResetAfter(count):
            return [("send", whole[:count]), ("reset",)]
        case HalfBody():
            return [("send", whole[: len(whole) - (len(response.body) + 1) // 2]), ("close",)]
        case _:
            return [("send", whole)]


def _encode_head(response: FakeResponse, length: int | None) -> bytes:
    """Return status line and headers. ``length`` is that of the body; None: the body is chunked."""
    size = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
    lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, '')}"]
    lines += [f"{name}: {value}" for name, value in (*response.headers, size)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _encode_repeated(response: FakeResponse, data: bytes, every: float, count: int | None) -> Script:
    """Return the steps that send ``data`` ``count`` times (None: forever) as the body, ``every`` so many seconds."""
    if count is not None:
        return [("send", _encode_head(response, count * len(data))), ("drip", data, every, count)]
    chunk = b"%x\r\n%b\r\n" % (len(data), data)
    return [("send", _encode_head(response, None)), ("drip", chunk, every, None)]
