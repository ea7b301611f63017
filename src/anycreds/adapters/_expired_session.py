"""Whether an HTTP response reports an expired session. Its body stays readable for the caller.

See:
    Amazon S3 API Reference, "Error responses":
    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    Amazon DynamoDB Developer Guide, "Error handling with DynamoDB":
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
    Amazon EC2 API Reference, "Error codes for the Amazon EC2 API":
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from typing import Any

from ._botocore_requests import EXPIRED_CODES

# The status of an expired session: 400 and 403 of S3 and EC2; 403 or 400 of STS and of JSON services.
EXPIRED_STATUSES = frozenset({400, 403})
# In bytes, as for all responses in this library; an error of a service has hundreds of bytes.
MAX_BODY = 64 * 1024

_CODES = "|".join(sorted(EXPIRED_CODES))
_IN_HEADER = re.compile(rf"(?:[^#]*#)?(?:{_CODES})(?:[:,].*)?")  # "ns#Code:http://..."
_IN_BODY = re.compile(
    rf'<Code>\s*(?:{_CODES})\s*</Code>|"(?:__type|[cC]ode)"\s*:\s*"(?:[^"#]*#)?(?:{_CODES})"'.encode()
)


class ReplayedBody:
    """A response body of which the first chunks have been read: it yields them again, and then the rest."""

    def __init__(self, chunks: list[bytes], rest: AsyncIterator[bytes], stream: Any) -> None:
        self._chunks = chunks
        self._rest = rest
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        """Close the original stream."""
        await self._stream.aclose()


async def peek_body(response: Any, replayed_type: type[ReplayedBody]) -> bytes | None:
    """Return a response's decoded body, which can still be read; None if it is too long or cannot be decoded."""
    if response.is_stream_consumed:  # by an event hook of the user
        try:
            body: bytes = response.content
        except RuntimeError:
            return None  # the hook did not read all of it into memory
        return body if len(body) <= MAX_BODY else None
    length = response.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:9]) > MAX_BODY:
        return None
    chunks: list[bytes] = []
    size = 0
    rest = aiter(response.stream)
    async for chunk in rest:
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            break
    response.stream = replayed_type(chunks, rest, response.stream)
    return None if size > MAX_BODY else _decode(b"".join(chunks), response.headers.get("content-encoding", "identity"))


def reports_expired_session(error_type: str, body: bytes) -> bool:
    """Return whether an error response, with its header ``x-amzn-errortype`` and body, reports an expired session."""
    return _IN_HEADER.fullmatch(error_type) is not None or _IN_BODY.search(body) is not None


def _decode(body: bytes, encoding: str) -> bytes | None:
    if encoding.lower() == "identity":
        return body
    if encoding.lower() not in {"gzip", "deflate"}:
        return None  # no AWS service is known to use another one
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)  # detects which of the two it is
    try:
        decoded = decompressor.decompress(body, MAX_BODY)
    except zlib.error:
        return None
    return None if decompressor.unconsumed_tail else decoded
