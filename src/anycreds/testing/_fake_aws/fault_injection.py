"""How faults happen: some change the response, the others the way in which it is sent."""

from __future__ import annotations

import gzip

from .._faults import (
    Body,
    Delay,
    Drip,
    Expired,
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
from .steps import Script, encode_head, encode_repeated

_FLOOD_BLOCK = b"x" * (64 * 1024)  # about as much as a socket accepts at once


def has_no_status(fault: OneFault | None) -> bool:
    """Return whether the client gets no HTTP response."""
    return isinstance(fault, Raw | Hang)


def needs_response(fault: OneFault | None) -> bool:
    """Return whether the fault uses the usual response, so that the service must create it (and issue credentials)."""
    return fault is None or isinstance(fault, Expired | Gzip | Delay | ResetAfter | HalfBody)


def replacement(fault: OneFault | None) -> FakeResponse:
    """Return the response that replaces the usual one."""
    match fault:
        case Status(code, body, headers):
            return FakeResponse(code, headers, body)
        case Body(body):
            return FakeResponse(200, JSON, body)
        case Redirect(to, code):
            return FakeResponse(code, (("Location", to),), b"")
        case _:
            return FakeResponse(200, JSON, b"")  # steps_for() adds the body, if there is one


def transform(fault: OneFault | None, response: FakeResponse) -> FakeResponse:
    """Return the usual response as the fault changes it."""
    if isinstance(fault, Gzip):
        body = gzip.compress(response.body, mtime=0)
        return FakeResponse(response.status, (*response.headers, ("Content-Encoding", "gzip")), body)
    return response


def steps_for(fault: OneFault | None, response: FakeResponse) -> Script:
    """Return the steps that send a response as the fault requires."""
    whole = encode_head(response, len(response.body)) + response.body
    match fault:
        case Raw(data):
            return [("send", data), ("close",)]
        case Hang():
            return [("hang",)]
        case Delay(seconds):
            return [("sleep", seconds), ("send", whole)]
        case Drip(data, every, count):
            return encode_repeated(response, data, every, count)
        case Flood(None):
            return encode_repeated(response, _FLOOD_BLOCK, 0.0, None)
        case Flood(int(total)):
            count, rest = divmod(total, len(_FLOOD_BLOCK))
            head = encode_head(response, total)
            return [("send", head), ("drip", _FLOOD_BLOCK, 0.0, count), ("send", _FLOOD_BLOCK[:rest])]
        case ResetAfter(count):
            return [("send", whole[:count]), ("reset",)]
        case HalfBody():
            return [("send", whole[: len(whole) - (len(response.body) + 1) // 2]), ("close",)]
        case _:
            return [("send", whole)]
