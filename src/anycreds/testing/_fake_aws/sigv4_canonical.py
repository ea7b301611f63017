"""The canonical request of Signature Version 4 and its signature, computed from a received request.

This code deliberately shares nothing with the library's own signer, so that each verifies the other.

See: "Create a signed AWS API request" in the AWS IAM user guide
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).
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
    """Return the canonical request. Header names are in lower case; ``payload`` is the hash of the body."""
    path, _, query = target.partition("?")
    names = sorted(signed)
    values = [headers.get(name.encode(), b"").decode("latin-1") for name in names]
    lines = [f"{name}:{' '.join(value.split())}" for name, value in zip(names, values, strict=True)]
    parts = [method, canonical_path(path, service), canonical_query(query), *lines, "", ";".join(names), payload]
    return "\n".join(parts)


def canonical_path(path: str, service: str) -> str:
    """Return the canonical path: for S3 as received, for all other services normalized and encoded again."""
    raw = path or "/"
    if service == "s3":
        return raw
    segments: list[str] = []
    for segment in raw.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    slash = "/" if segments and raw.endswith("/") else ""  # as in botocore; RFC 3986 also ends "/a/." with a slash
    return quote(("/" + "/".join(segments) + slash).encode("latin-1"), safe="/")


def canonical_query(query: str) -> str:
    """Return the canonical query: sorted, uniformly encoded, without the signature."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = [(_encoded(name), _encoded(value)) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != _SIGNATURE_PARAMETER)


def signature(secret: str, time: str, scope: str, request: str) -> str:
    """Return the signature of a canonical request. ``scope`` is the credential scope without the key id."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = "\n".join([ALGORITHM, time, scope, sha256(request.encode("latin-1"))])
    return hmac.digest(key, text.encode(), "sha256").hex()


def sha256(data: bytes) -> str:
    """Return the SHA-256 hash in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _encoded(part: str) -> str:
    return quote(unquote_to_bytes(part), safe="")
