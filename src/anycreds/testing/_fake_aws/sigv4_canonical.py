"""The request as Signature Version 4 sees it, computed from what was received, and the signature that belongs to it.

Follows the AWS IAM user guide, "Create a signed AWS API request". This shares nothing with the library's own signer:
that the two agree is what makes one a check of the other.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_SIGNATURE_PARAMETER = "X-Amz-Signature"


def canonical_request(
    method: str, target: str, headers: Mapping[bytes, bytes], signed: Iterable[str], *, payload: str, service: str
) -> str:
    """Return the canonical request. All names of headers are in lower case, and ``payload`` is a hash."""
    path, _, query = target.partition("?")
    names = sorted(signed)
    lines = [f"{name}:{_canonical_value(headers.get(name.encode(), b''))}" for name in names]
    places = [method, canonical_path(path, service), canonical_query(query), *lines, "", ";".join(names), payload]
    return "\n".join(places)


def canonical_path(path: str, service: str) -> str:
    """Return the path as it is signed: normalized and encoded once more, for all services but S3."""
    raw = path or "/"
    if service == "s3":
        return raw
    kept: list[str] = []
    for segment in raw.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    slash = "/" if kept and raw.endswith("/") else ""  # as botocore has it; by RFC 3986 "/a/." would end in one too
    return quote(("/" + "/".join(kept) + slash).encode("latin-1"), safe="/")


def canonical_query(query: str) -> str:
    """Return the query as it is signed: without the signature, each part encoded in one way, sorted."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = [(_encoded(name), _encoded(value)) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != _SIGNATURE_PARAMETER)


def signature(secret: str, time: str, scope: str, request: str) -> str:
    """Return the signature of a canonical request. ``time`` is ``20260101T000000Z``, ``scope`` what follows the key."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join([ALGORITHM, time, scope, sha256(request.encode("latin-1"))])
    return hmac.digest(key, text.encode(), "sha256").hex()


def sha256(data: bytes) -> str:
    """Return the hash in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _canonical_value(value: bytes) -> str:
    return " ".join(value.decode("latin-1").split())


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(part), safe="")
