"""The fast path of plain http reads a response exactly as h11 does, or leaves it to h11."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from anycreds._core.http import BODY_LIMIT, Request, Response, TransportFailure, Url
from anycreds._system.http.h11_responses import read_response
from anycreds._system.http.simple_responses import parse_simple_response
from anycreds._system.http.socket_limit import SocketReads
from anycreds.testing import Raw
from support.budget import Budget
from support.http_faults import HTTP_FAULTS
from support.raw_http_server import ok
from support.rows import each_row

USUAL = (
    ok(),
    ok(b"role", "Content-Type: text/plain", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds:  21600 ", "Empty:"),
    ok(b"", "Date: Sun, 29 Nov 2026 10:00:00 GMT", "Server: EC2ws"),
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n\x00\xff",
)
UNUSUAL = {
    "nothing": b"",
    "half a body": ok(b"body")[:-1],
    "two responses": ok(b"1") + ok(b"2"),
    "no length": b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n",
    "two lengths": ok(b"1", "content-length: 1"),
    "chunks": ok(b"", "Transfer-Encoding: chunked"),
    "connection that ends": ok(b"", "Connection: close"),
    "interim response": b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
    "status without a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.0": ok().replace(b"1.1", b"1.0"),
    "folded header": ok(b"", "A: b\r\n c"),
    "blank before a colon": ok(b"", "A : b"),
    "bare line break": ok(b"", "A: b").replace(b"A: b\r\n", b"A: b\n"),
    "not ASCII": ok(b"", "A: \xe9"),
    "length with a sign": ok().replace(b"Content-Length: ", b"Content-Length: +"),
    "large head": ok(b"", "A: " + "x" * 8192),
    "large body": ok(b"x" * (BODY_LIMIT + 1)),
}


class Ended:
    """A connection on which nothing more comes."""

    async def send(self, data: bytes, before_wait: Callable[[], None]) -> None: ...

    async def receive(self, max_bytes: int) -> bytes:
        return b""

    def is_readable(self) -> bool:
        return True

    def close(self) -> None: ...


def by_h11(data: bytes) -> tuple[Response | TransportFailure, bool]:
    """Return how h11 reads a response, and whether the connection can be used again."""
    request = Request("GET", Url("http", "127.0.0.1", None, "/"), {}, 1.0)
    reading = read_response(Ended(), request, data, SocketReads(BODY_LIMIT))
    with pytest.raises(StopIteration) as done:
        reading.send(None)
    result: tuple[Response | TransportFailure, bool] = done.value.value
    return result


@each_row("data", USUAL)
def test_usual_response(data: bytes) -> None:
    """A usual response is read by the fast path, with the result of h11."""
    found = parse_simple_response(data, BODY_LIMIT)
    assert found is not None
    assert by_h11(data) == (found, True)


@each_row("data", UNUSUAL.values(), ids=list(UNUSUAL))
def test_unusual_response(data: bytes) -> None:
    """A response that is unusual in any way is left to h11."""
    assert parse_simple_response(data, BODY_LIMIT) is None


@pytest.mark.fault("U10")
def test_same_result_as_h11(budget: Budget) -> None:
    """Of responses with random changes, and of faulty ones, the fast path reads what h11 reads."""
    chance = budget.random()
    samples = [fault.fault.data for fault in HTTP_FAULTS.values() if isinstance(fault.fault, Raw)]
    alphabet = [b"\r", b"\n", b"\r\n", b":", b" ", b"\t", b"0", b"1", b"\x00", b"\xff", b",", b"-", b"a", b""]
    for _ in range(budget.count(3000)):
        data = chance.choice(USUAL)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(data))
            data = data[:at] + chance.choice(alphabet) + data[at + chance.randint(0, 1) :]
        samples.append(data)
    found = {data: parse_simple_response(data, BODY_LIMIT) for data in samples}
    read = {data: (response, True) for data, response in found.items() if response is not None}
    assert read == {data: by_h11(data) for data in read}
    assert len(read) > len(samples) // 20  # the changes in bodies and values
