"""How each fault is done to a client: some change the answer, the others change how it is sent."""

from __future__ import annotations

import gzip
import math
from typing import TypeGuard

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
from .connection import Line
from .messages import Answer

_JSON = (("Content-Type", "application/json"),)
_FLOOD_BLOCK = b"x" * (64 * 1024)  # as much as a socket usually takes at once


def is_silent(fault: OneFault | None) -> TypeGuard[Raw | Hang]:
    """Tell whether the client gets no answer in the sense of HTTP, so that there is no status."""
    return isinstance(fault, Raw | Hang)


def needs_answer(fault: OneFault | None) -> bool:
    """Tell whether the usual answer plays a part in this fault, so that it has to be made (and a set issued)."""
    return fault is None or isinstance(fault, Expired | Gzip | Delay | ResetAfter | HalfBody)


def instead(fault: OneFault | None) -> Answer:
    """Return the answer that a fault puts in the place of the usual one."""
    match fault:
        case Status(code, body, headers):
            return Answer(code, headers, body)
        case Body(body):
            return Answer(200, _JSON, body)
        case Redirect(to, code):
            return Answer(code, (("Location", to),), b"")
        case _:
            return Answer(200, _JSON, b"")  # its body is sent by the fault itself, if at all


def changed(fault: OneFault | None, answer: Answer) -> Answer:
    """Return what becomes of the usual answer."""
    if isinstance(fault, Gzip):
        body = gzip.compress(answer.body, mtime=0)
        return Answer(answer.status, (*answer.headers, ("Content-Encoding", "gzip")), body)
    return answer


async def perform(fault: OneFault | None, line: Line, answer: Answer) -> bool:
    """Send the answer as the fault has it. Return whether the connection may go on."""
    match fault:
        case Raw(data):
            await line.send(data)
            return False
        case Hang():
            await line.pause(math.inf)
        case Delay(seconds):
            await line.pause(seconds)
            await line.send(line.encode(answer))
        case Drip(data, every, count):
            await _drip(line, answer, data, every, count)
        case Flood(total):
            await _flood(line, answer, total)
        case ResetAfter(count):
            await line.send(line.encode(answer)[:count])
            line.reset()
            return False
        case HalfBody():
            half = answer._replace(body=answer.body[: len(answer.body) // 2])
            await line.send(line.encode(half, length=len(answer.body)))
            return False
        case _:
            await line.send(line.encode(answer))
    return line.may_go_on()


async def _drip(line: Line, answer: Answer, data: bytes, every: float, count: int | None) -> None:
    await line.send(line.encode_head(answer, None if count is None else count * len(data)))
    sent = 0
    while sent != count:
        await line.pause(every)
        await line.send(line.encode_body(data))
        sent += 1
    await line.send(line.encode_end())


async def _flood(line: Line, answer: Answer, total: int | None) -> None:
    await line.send(line.encode_head(answer, total))
    left = math.inf if total is None else total
    while left > 0:
        block = _FLOOD_BLOCK if left >= len(_FLOOD_BLOCK) else _FLOOD_BLOCK[: int(left)]
        await line.send(line.encode_body(block))
        left -= len(block)
    await line.send(line.encode_end())
