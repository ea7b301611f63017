"""A fast path for the responses that metadata services send: a plain head and a body of known length, in one piece.

h11 takes longer for a request and its response than all other code of an exchange. So what is unusual in any way is
left to it, errors included. A response that is read here is read the same by h11; the tests compare them.
"""

from __future__ import annotations

import re

from ..._core.http import Response

# HTTP/1.1, a final status, printable ASCII, no folded lines, no blank before a colon.
_HEAD = re.compile(rb"HTTP/1\.1 ([2-9]\d\d) [ -~]*\r\n((?:[A-Za-z0-9-]+:[ -~]*\r\n)+)\r\n")
_MAX_HEAD = 8 * 1024  # bytes; AWS's have a few hundred
# They decide on the end of the body and of the connection.
_UNUSUAL = frozenset(("transfer-encoding", "connection", "upgrade"))
_WITHOUT_BODY = frozenset((204, 304))  # whatever their length says


def parse_simple_response(data: bytes, limit: int) -> Response | None:
    """Return the response if these bytes are exactly one, with a body up to the limit; None leaves them to h11."""
    match = _HEAD.match(data, 0, _MAX_HEAD)
    if match is None:
        return None
    status, lines, body = int(match[1]), match[2].decode("ascii").split("\r\n")[:-1], data[match.end() :]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip(" ")
    is_usual = len(headers) == len(lines) and _UNUSUAL.isdisjoint(headers) and status not in _WITHOUT_BODY
    if not is_usual or len(body) > limit or headers.get("content-length") != str(len(body)):
        return None
    return Response(status, headers, body)
