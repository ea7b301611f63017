"""What a server does after a request, as steps on a socket or in memory. Faults change the response or the steps."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from http.client import responses
from typing import Any, Literal, TypeAlias

from .._faults import Body, Delay, Drip, Flood, Gzip, HalfBody, Hang, OneFault, Raw, Redirect, ResetAfter, Status
from .messages import JSON, FakeResponse

Step: TypeAlias = (
    tuple[Literal["send"], bytes]
    | tuple[Literal["sleep"], float]
    | tuple[Literal["drip"], bytes, float, int | None]
    | tuple[Literal["hang", "close", "reset", "refuse", "ignore"]]
)
"""One step of a server. See ``MemoryNetwork.script``."""

Script: TypeAlias = Sequence[Step]
"""The steps of a server for one request."""

CONNECT_STEPS = ("refuse", "ignore")  # they end an attempt to connect, so that no request follows
_DETAILS: dict[str, tuple[tuple[type, ...], ...]] = {
    "send": ((bytes,),),
    "sleep": ((int, float),),
    "drip": ((bytes,), (int, float), (int, type(None))),
    **dict.fromkeys(("hang", "close", "reset", *CONNECT_STEPS), ()),
}
_FLOOD_BLOCK = b"x" * (64 * 1024)  # about as much as a socket accepts at once


def check_script(script: Iterable[Any]) -> list[Step]:
    """Return a copy of a script. Raises ``ValueError`` for an invalid step."""
    steps: list[Step] = []
    for step in script:
        name = step[0] if isinstance(step, tuple) and step else type(step).__name__
        types = _DETAILS.get(name) if isinstance(step, tuple) else None
        if types is None or len(step) != len(types) + 1 or not all(map(isinstance, step[1:], types)):
            # The details can be a response with secrets, so that the message contains only the name.
            raise ValueError(f"invalid step {name!r}; the steps are {', '.join(_DETAILS)}")
        steps.append(step)
    if len(steps) > 1 and any(step[0] in CONNECT_STEPS for step in steps):
        raise ValueError(f"invalid script: {' and '.join(CONNECT_STEPS)} must be the only step of a script")
    return steps


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
