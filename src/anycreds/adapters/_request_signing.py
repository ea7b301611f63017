"""What a request is signed for, the one form in which it is sent, and its signature, put on and taken off. Pure.

Follows the IAM User Guide, page "Create a signed AWS API request". What is signed is what is sent: where services and
clients read a path or a query differently, it is brought into the form that all of them read alike.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

from .._core.credentials import Credentials, InvalidReason
from .._core.errors import InvalidConfigurationError
from .._wire.regions import region_problem
from .._wire.sigv4 import LIKE_S3, Scope, sign_headers
from .._wire.sigv4.canonical_request import path_encoded_once
from .._wire.urls import Url

_CONTENT_HASH = "x-amz-content-sha256"
_REPLACED = frozenset({b"authorization", b"x-amz-date", b"x-amz-security-token", _CONTENT_HASH.encode()})
# What only clients and proxies talk about, and content networks rewrite on the way. (_wire.canonical knows more.)
_LEFT = frozenset(
    {b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"content-length", b"cookie", b"pragma"}
)
# As it stands in a credential scope, between two slashes.
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_DOTS = frozenset({".", ".."})


class Request(Protocol):
    """What the requests of httpx and httpx2 have in common, as far as it is used here."""

    method: str
    url: Any
    headers: Any
    extensions: Any
    stream: Any

    async def aread(self) -> bytes:
        """Read the body into memory, if it is not there yet, and return it."""


def scope_of(who: str, service: object, region: object) -> Scope:
    """Return what is signed for. Raises ``InvalidConfigurationError`` for what cannot be right."""
    if not isinstance(service, str) or not _SERVICE.fullmatch(service):
        raise InvalidConfigurationError(
            f"{who}: service is not the name that a service's signatures have, such as 's3' or 'dynamodb'"
        )
    if not region:
        raise InvalidConfigurationError(
            f"{who}: region is missing",
            hint="pass the region of the endpoint, such as region='eu-central-1'; of iam and its like it is us-east-1",
        )
    if problem := region_problem(region):
        raise InvalidConfigurationError(f"{who}: region {problem}")
    return Scope(str(region), service)


def unambiguous(target: str, service: str) -> str:
    """Return path and query in a form that means the same, and is read alike everywhere.

    A plus in a query is a blank to some and a plus to others, and so it is in a path of S3, which knows no difference
    between any other character and its percent-encoded form.
    """
    path, _, query = target.partition("?")
    if service in LIKE_S3 and path != "/":
        path = "/".join([_once(part) for part in path.split("/")])
    if "+" in query or "&" in query:
        query = "&".join([part.replace("+", "%20") for part in query.split("&") if part])
    return f"{path}?{query}" if query else path


def _once(part: str) -> str:
    encoded = path_encoded_once(part)
    return part if encoded in _DOTS else encoded  # clients take dots away that are not encoded, and what is before them


def signed_headers(
    request: Request, headers: Any, credentials: Credentials, scope: Scope, now: float, *, payload: str
) -> list[tuple[bytes, bytes]] | InvalidReason:
    """Return ``headers`` with those that sign a request, or say what keeps it from being signed, without repeating it.

    ``now`` is the time in seconds since 1970; ``payload`` is the hash of the body, or what stands for it.
    """
    kept = [(name, value) for name, value in headers.raw if name.lower() not in _REPLACED]
    signed = sign_headers(
        credentials,
        scope,
        now,
        request.method,
        url_of(request),
        headers=[
            (_CONTENT_HASH, payload),
            *((name.decode("latin-1"), value.decode("latin-1")) for name, value in kept if name.lower() not in _LEFT),
        ],
        body=None,  # what the header says of it, counts
    )
    if isinstance(signed, InvalidReason):
        return signed
    kept.append((_CONTENT_HASH.encode(), payload.encode()))
    return kept + [(name.encode(), value.encode()) for name, value in signed.items()]


def url_of(request: Request) -> Url:
    """Return where a request goes, as it is sent. A program may say in httpcore's way what to ask for there."""
    url, target = request.url, request.extensions.get("target") or request.url.raw_path
    text = target.decode("latin-1") if isinstance(target, bytes) else target
    return Url(url.scheme, url.raw_host.decode("ascii"), url.port, text)


def take_off(headers: Any) -> None:
    """Remove a signature, with its session token."""
    for name in _REPLACED:
        headers.pop(name.decode(), None)
