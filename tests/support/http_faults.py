"""Everything that can be wrong with a response over HTTP, and what a client finds, whatever it reads from the response.

This is the only such list: the tests of each reader take from it what they need.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from anycreds.testing import Body, Delay, Drip, Fault, Flood, Gzip, HalfBody, Hang, Raw, Redirect, ResetAfter, Status

Outcome: TypeAlias = Literal["timeout", "broken", "too large", "status", "malformed"]
"""No response in time; no valid HTTP; more than is read; another status than 200; HTTP is valid, but not the body."""


class HttpFault(NamedTuple):
    """A fault of a server."""

    fault: Fault
    outcome: Outcome
    text: str = ""
    """A part of the message of every error that it causes; with the outcome "malformed", where JSON is expected."""


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_LENGTH = _OK + b"Content-Length: "
_IN_YEAR_9999 = b"HTTP/1.1 403 X\r\nDate: Fri, 31 Dec 9999 23:59:59 GMT\r\n"
_IN_AEONS = b"HTTP/1.1 503 X\r\nRetry-After: 999999999999999999999\r\n"
_CLAIMS_GZIP = _OK + b"Content-Encoding: gzip\r\n"
_NO_BODY = b"Content-Length: 0\r\n\r\n"
_TWO_BYTES = b"Content-Length: 2\r\n\r\n{}"

HTTP_FAULTS: dict[str, HttpFault] = {
    "silence": HttpFault(Hang(), "timeout", "no response within"),
    "silence after the head": HttpFault(Drip(b"", 60.0), "timeout", "no response within"),
    "late response": HttpFault(Delay(60.0), "timeout", "no response within"),
    "dripping body": HttpFault(Drip(b"{", 0.01), "timeout", "no response within"),
    "nothing": HttpFault(Raw(b""), "broken"),
    "blank lines": HttpFault(Raw(b"\r\n\r\n"), "broken"),
    "zeros": HttpFault(Raw(bytes(4096)), "broken"),
    "reset at once": HttpFault(ResetAfter(0), "broken"),
    "reset in the head": HttpFault(ResetAfter(20), "broken"),
    "half a head": HttpFault(Raw(b"HTTP/1.1 200"), "broken"),
    "status line only": HttpFault(Raw(_OK), "broken"),
    "half a body": HttpFault(HalfBody(), "broken"),
    "TLS": HttpFault(Raw(b"\x15\x03\x01\x00\x02\x02\x46"), "broken"),
    "SSH": HttpFault(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "broken"),
    "HTTP/0.9": HttpFault(Raw(b'{"AccessKeyId": "AKID"}\r\n'), "broken"),
    "HTTP/2": HttpFault(Raw(b"HTTP/2 200 OK\r\n\r\n{}"), "broken"),
    "another protocol": HttpFault(
        Raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"), "broken"
    ),
    "another protocol, not requested": HttpFault(Raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "broken"),
    "nothing after continue": HttpFault(Raw(b"HTTP/1.1 100 Continue\r\n\r\n"), "broken"),
    "500 interim responses": HttpFault(Raw(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 500), "broken"),
    "status of four digits": HttpFault(Raw(b"HTTP/1.1 2000 OK\r\n\r\n"), "broken"),
    "status 000": HttpFault(Raw(b"HTTP/1.1 000 X\r\n" + _NO_BODY), "broken"),
    "two lengths": HttpFault(Raw(_LENGTH + b"2\r\nContent-Length: 3\r\n\r\n{}"), "broken"),
    "negative length": HttpFault(Raw(_LENGTH + b"-2\r\n\r\n{}"), "broken"),
    "hexadecimal length": HttpFault(Raw(_LENGTH + b"0x2\r\n\r\n{}"), "broken"),
    "length with a superscript": HttpFault(Raw(_LENGTH + b"\xb2\r\n\r\n{}"), "broken"),
    "length of 30 digits": HttpFault(Raw(_LENGTH + b"9" * 30 + b"\r\n\r\n"), "broken"),
    "length of 400 digits": HttpFault(Raw(_LENGTH + b"9" * 400 + b"\r\n\r\n"), "broken"),
    "unknown coding": HttpFault(Raw(_OK + b"Transfer-Encoding: br\r\n\r\n"), "broken"),
    "compressed chunks": HttpFault(
        Raw(_OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "broken"
    ),
    "chunk of no size": HttpFault(Raw(_CHUNKED + b"zz\r\n{}\r\n"), "broken"),
    "chunk of negative size": HttpFault(Raw(_CHUNKED + b"-2\r\n{}\r\n"), "broken"),
    "chunk of endless size": HttpFault(Raw(_CHUNKED + b"f" * 400 + b"\r\n{}\r\n"), "broken"),
    "header without a colon": HttpFault(Raw(_OK + b"nonsense\r\n\r\n"), "broken"),
    "header with a NUL": HttpFault(Raw(_OK + b"X: a\0b\r\n" + _TWO_BYTES), "broken"),
    "name of a header in Latin-1": HttpFault(Raw(_OK + b"X-\xff: \xff\r\n" + _TWO_BYTES), "broken"),
    "header of a megabyte": HttpFault(Raw(_OK + b"X: " + b"x" * (1 << 20)), "broken"),
    "many headers": HttpFault(Raw(_OK + b"X: y\r\n" * 50_000), "too large"),
    "endless body": HttpFault(Flood(), "too large", "more than 65536 bytes"),
    "declared too large": HttpFault(Flood(1 << 30), "too large", "1073741824 bytes; at most 65536"),
    "one byte too large": HttpFault(Flood((64 << 10) + 1), "too large", "65537 bytes; at most 65536"),
    "length of 20 digits": HttpFault(Raw(_LENGTH + b"9" * 20 + b"\r\n\r\n"), "too large", "at most 65536"),
    "server error": HttpFault(Status(500, b'{"message": "no"}'), "status", "status 500"),
    "forbidden": HttpFault(Raw(_IN_YEAR_9999 + _NO_BODY), "status", "403"),
    "come back in aeons": HttpFault(Raw(_IN_AEONS + _NO_BODY), "status", "503"),
    "no content": HttpFault(Raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "status", "204"),
    "status 999": HttpFault(Raw(b"HTTP/1.1 999 X\r\n" + _NO_BODY), "status", "999"),
    "redirect": HttpFault(Redirect("http://127.0.0.1:9/"), "status", "redirects are not followed"),
    "permanent redirect": HttpFault(Redirect("/elsewhere", 308), "status", "redirects are not followed"),
    "redirect to nowhere": HttpFault(Raw(b"HTTP/1.1 302 X\r\n" + _NO_BODY), "status", "redirects are not followed"),
    "redirect to no URL": HttpFault(Redirect("http://[::1"), "status", "redirects are not followed"),
    "not modified": HttpFault(Raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), "status", "304"),
    "web page": HttpFault(Body(b"<html>log in</html>"), "malformed", "captive portal"),
    "compressed": HttpFault(Gzip(), "malformed", "is compressed"),
    "not compressed as it claims": HttpFault(Raw(_CLAIMS_GZIP + _TWO_BYTES), "malformed", "is compressed"),
    "large as allowed": HttpFault(Flood(64 << 10), "malformed", "not JSON"),
    "empty body": HttpFault(Raw(_OK + _NO_BODY), "malformed", "is empty"),
    "HTTP/1.0": HttpFault(Raw(b"HTTP/1.0 200 OK\r\n\r\n{}"), "malformed"),
    "HTTP/9.9": HttpFault(Raw(b"HTTP/9.9 200 OK\r\n" + _TWO_BYTES), "malformed"),
    "the same length twice": HttpFault(Raw(_LENGTH + b"2\r\n" + _TWO_BYTES), "malformed"),
    "length and chunks": HttpFault(
        Raw(_LENGTH + b"2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), "malformed"
    ),
    "chunk with a huge extension": HttpFault(
        Raw(_CHUNKED + b"2;" + b"x" * 60_000 + b"\r\n{}\r\n0\r\n\r\n"), "malformed"
    ),
    "folded header": HttpFault(Raw(_OK + b"X: a\r\n b\r\n" + _TWO_BYTES), "malformed"),
    "unknown charset": HttpFault(Raw(_OK + b"Content-Type: application/json; charset=x\r\n" + _TWO_BYTES), "malformed"),
}


def faults_with(outcome: Outcome, limit: int | None = None) -> list[str]:
    """Return the names of the faults with an outcome, or of the first ``limit`` of them."""
    return [name for name, fault in HTTP_FAULTS.items() if fault.outcome == outcome][:limit]
