"""Whether an answer says that the session has ended. Its body is looked at, not taken: whoever called can read it all.

Follows the Amazon S3 API Reference, page "Error responses", the DynamoDB Developer Guide, page "Error handling", and
the EC2 API Reference, page "Error codes".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

from ._botocore_session import EXPIRED_CODES

# Where services say so. S3 and EC2: 400 and 403; STS and those that speak JSON: 403 or 400.
STATUSES = frozenset({400, 403})
# As much as is ever read of an answer elsewhere here; a service's error has hundreds of bytes.
LONGEST = 64 * 1024

_CODES = "|".join(sorted(EXPIRED_CODES))
_IN_HEADER = re.compile(rf"(?:[^#]*#)?(?:{_CODES})(?:[:,].*)?")  # "ns#Code:http://..."
_IN_BODY = re.compile(
    rf'<Code>\s*(?:{_CODES})\s*</Code>|"(?:__type|[cC]ode)"\s*:\s*"(?:[^"#]*#)?(?:{_CODES})"'.encode()
)


class Peeked:
    """A body that was read in part: the pieces that came, and then the rest."""

    def __init__(self, pieces: list[bytes], rest: AsyncIterator[bytes], stream: Any) -> None:
        self._pieces = pieces
        self._rest = rest
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        async for piece in self._rest:
            yield piece

    async def aclose(self) -> None:
        """Close the connection that it comes from, or give it back."""
        await self._stream.aclose()


async def peek(response: Any, peeked: type[Peeked]) -> bytes | None:
    """Return an answer's whole body, decoded, and leave it to be read; None: it is too long, or cannot be decoded."""
    if response.is_stream_consumed:  # a hook of the program's has read it
        try:
            body: bytes = response.content
        except RuntimeError:
            return None  # not as a whole
        return body if len(body) <= LONGEST else None
    length = response.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:9]) > LONGEST:
        return None
    pieces: list[bytes] = []
    size = 0
    rest = aiter(response.stream)
    async for piece in rest:
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST:
            break
    response.stream = peeked(pieces, rest, response.stream)
    return None if size > LONGEST else _decoded(b"".join(pieces), response.headers.get("content-encoding", "identity"))


def says_expired(error_type: str, body: bytes) -> bool:
    """Tell whether an error is about a session that has ended. ``error_type`` is ``x-amzn-errortype``, else empty."""
    return _IN_HEADER.fullmatch(error_type) is not None or _IN_BODY.search(body) is not None


def _decoded(body: bytes, encoding: str) -> bytes | None:
    if encoding.lower() == "identity":
        return body
    if encoding.lower() not in {"gzip", "deflate"}:
        return None  # no service was seen to answer with another one
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # whichever of the two it is
    try:
        unpacked = unpacker.decompress(body, LONGEST)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else unpacked
