"""The signing scope, the normalized target and the signature headers of a request. Pure.

Services and HTTP clients read some paths and queries differently. These are sent in a form that all of them read alike,
so that the service verifies what was signed.

See:
    IAM User Guide, "Create a signed AWS API request":
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from .._core.credentials import Credentials
from .._core.errors import InvalidConfigurationError
from .._core.http import Url
from .._core.validation import InvalidValueError
from .._wire.endpoints import check_region
from .._wire.sigv4 import S3_STYLE_SERVICES, Scope, sign_headers
from .._wire.sigv4.canonical_request import path_encoded_once

_CONTENT_HASH = "x-amz-content-sha256"
_SIGNATURE_HEADERS = frozenset({b"authorization", b"x-amz-date", b"x-amz-security-token", _CONTENT_HASH.encode()})
# Not signed: clients and proxies negotiate these, and content delivery networks rewrite them. (_wire.sigv4 has more.)
_UNSIGNED_HEADERS = frozenset(
    {b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"content-length", b"cookie", b"pragma"}
)
# One component of a credential scope, whose components are separated by slashes.
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DOT_SEGMENTS = frozenset({".", ".."})


class SignableRequest(Protocol):
    """The attributes of httpx's and httpx2's requests that are used here."""

    method: str
    url: Any
    headers: Any
    extensions: Any
    stream: Any

    async def aread(self) -> bytes:
        """Read the body into memory, unless it is there already, and return it."""


def signing_scope(caller: str, service: object, region: object) -> Scope:
    """Return the scope to sign requests for. Raises ``InvalidConfigurationError``, with ``caller`` in its message."""
    if not isinstance(service, str) or not _SERVICE.fullmatch(service):
        raise InvalidConfigurationError(
            f"{caller}: service is not a signing name; expected a name such as 's3' or 'dynamodb'"
        )
    if not region:
        raise InvalidConfigurationError(
            f"{caller}: region is missing",
            hint="pass the region of the endpoint, such as region='eu-central-1'; global services (iam) use us-east-1",
        )
    try:
        return Scope(check_region(region), service)
    except InvalidValueError as error:
        raise InvalidConfigurationError(f"{caller}: region {error}") from None


def normalize_target(target: str, service: str) -> str:
    """Return an equivalent path and query that every client and service reads alike.

    A plus sign in a query means a space to some readers and a plus sign to others. The same holds for paths of S3,
    where any other character is equivalent to its percent-encoded form.
    """
    path, _, query = target.partition("?")
    if service in S3_STYLE_SERVICES and path != "/":
        path = "/".join([_encode_segment(segment) for segment in path.split("/")])
    if "+" in query or "&" in query:
        query = "&".join([part.replace("+", "%20") for part in query.split("&") if part])
    return f"{path}?{query}" if query else path


def _encode_segment(segment: str) -> str:
    encoded = path_encoded_once(segment)
    return segment if encoded in _DOT_SEGMENTS else encoded  # clients remove dot segments that are not percent-encoded


def signed_headers(
    request: SignableRequest, headers: Any, credentials: Credentials, scope: Scope, now: float, *, payload: str
) -> list[tuple[bytes, bytes]]:
    """Return ``headers`` with a new signature of a request. ``payload`` is the hash of the body, or what replaces it.

    ``now`` is in seconds since 1970.
    """
    others = [(name, value) for name, value in headers.raw if name.lower() not in _SIGNATURE_HEADERS]
    to_sign = [(name, value) for name, value in others if name.lower() not in _UNSIGNED_HEADERS]
    signature = sign_headers(
        credentials,
        scope,
        now,
        request.method,
        request_url(request),
        headers=[
            (_CONTENT_HASH, payload),
            *((name.decode("latin-1"), value.decode("latin-1")) for name, value in to_sign),
        ],
        body=None,  # the header has its hash
    )
    added = {_CONTENT_HASH: payload, **signature}
    return others + [(name.encode(), value.encode()) for name, value in added.items()]


def request_url(request: SignableRequest) -> Url:
    """Return the URL of a request as it is sent; httpcore's ``target`` extension replaces its path and query."""
    url, target = request.url, request.extensions.get("target") or request.url.raw_path
    text = target.decode("latin-1") if isinstance(target, bytes) else target
    return Url(url.scheme, url.raw_host.decode("ascii"), url.port, text)


def strip_signature(headers: Any) -> None:
    """Remove the signature and the session token from headers."""
    for name in _SIGNATURE_HEADERS:
        headers.pop(name.decode(), None)
