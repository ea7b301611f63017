"""A ``FakeAWS`` in memory: one request in, the steps of its answer out, with every fault that it knows."""

from __future__ import annotations

from http.client import responses
from typing import TYPE_CHECKING

from .._fake_aws import fault_injection as faults
from .._fake_aws.messages import Answer, Asked
from .._faults import Delay, Drip, Flood, HalfBody, Hang, OneFault, Raw, ResetAfter

if TYPE_CHECKING:
    from .._fake_aws import FakeAWS
    from .connection import Script, Step

_END = b"0\r\n\r\n"


def answer_in_steps(aws: FakeAWS, asked: Asked, connection: int) -> Script:
    """Let the fake answer one request, and count it."""
    fault, answer = aws._meet(asked, connection)
    latency: list[Step] = [("sleep", aws.latency)] if aws.latency else []
    return [*latency, *_performed(fault, answer)]


def _performed(fault: OneFault | None, answer: Answer) -> Script:
    whole = _head(answer, len(answer.body)) + answer.body
    match fault:
        case Raw(data):
            return [("send", data), ("close",)]
        case Hang():
            return [("hang",)]
        case Delay(seconds):
            return [("sleep", seconds), ("send", whole)]
        case Drip(data, every, count):
            return _pieces(answer, data, every, count)
        case Flood(total):
            block = faults._FLOOD_BLOCK
            if total is None:
                return _pieces(answer, block, 0.0, None)
            count, rest = divmod(total, len(block))
            return [("send", _head(answer, total)), ("drip", block, 0.0, count), ("send", block[:rest])]
        case ResetAfter(count):
            return [("send", whole[:count]), ("reset",)]
        case HalfBody():
            return [("send", whole[: len(whole) - (len(answer.body) + 1) // 2]), ("close",)]
        case _:
            return [("send", whole)]


def _pieces(answer: Answer, data: bytes, every: float, count: int | None) -> Script:
    if count is not None:
        return [("send", _head(answer, count * len(data))), ("drip", data, every, count)]
    chunk = b"%x\r\n%b\r\n" % (len(data), data)
    return [("send", _head(answer, None)), ("drip", chunk, every, None), ("send", _END)]


def _head(answer: Answer, length: int | None) -> bytes:
    """Return the bytes of an answer's head. ``length`` of the body; None: it comes in chunks."""
    size = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
    lines = [f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}"]
    lines += [f"{name}: {value}" for name, value in (*answer.headers, size)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
