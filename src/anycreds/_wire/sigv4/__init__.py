"""AWS Signature Version 4: signatures of requests in headers or in the query. No key is cached.

See: IAM User Guide, "Create a signed AWS API request",
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

from ..._core.credentials import Credentials
from ..._core.http import Url
from ..._core.validation import InvalidValueError
from .canonical_request import (
    Headers,
    encoded,
    normalized_headers,
    path_encoded_once,
    path_encoded_twice,
    query_pairs,
    signed_header_names,
    sorted_query,
)

# Replaces the hash of a body that is not signed. Few services other than S3 accept it.
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
# A presigned query is valid for seven days at most, in seconds.
LONGEST_EXPIRES = 7 * 24 * 60 * 60
_ALGORITHM = "AWS4-HMAC-SHA256"
_CONTENT_HASH = "x-amz-content-sha256"
# Services that sign the path without normalization, need the body's hash as a header, and do not sign the body of a
# presigned request.
S3_STYLE_SERVICES = frozenset({"s3", "s3express", "s3-object-lambda", "s3-outposts"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NOT_IN_HEADERS = "has a character that an HTTP header cannot contain"


class Scope(NamedTuple):
    """The region and the service that a signature is valid for."""

    region: str
    service: str
    """The signing name of the service, such as ``sts``."""

    def for_date(self, stamp: str) -> str:
        """Return the credential scope for the day of a timestamp."""
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"


def sign_headers(
    credentials: Credentials,
    scope: Scope,
    now: float,
    method: str,
    url: Url,
    *,
    headers: Headers = (),
    body: bytes | None = b"",
) -> dict[str, str]:
    """Return the headers to add to a request: names in lower case, values secret.

    The host of ``url`` is signed, unless ``headers`` has a host. Headers that proxies may change are not signed. A
    header ``x-amz-content-sha256`` replaces the hash of the body; a body of None is left unsigned.
    """
    stamp = _stamp(now)
    added = {"x-amz-date": stamp}
    if credentials.session_token is not None:
        added["x-amz-security-token"] = credentials.session_token
    sent = {"host": url.origin.partition("://")[2], **normalized_headers(headers), **normalized_headers(added)}
    if _CONTENT_HASH not in sent and (body is None or scope.service in S3_STYLE_SERVICES):
        added[_CONTENT_HASH] = sent[_CONTENT_HASH] = UNSIGNED_PAYLOAD if body is None else payload_hash(body)
    hashed = sent.get(_CONTENT_HASH) or payload_hash(body or b"")
    path, _, query = url.target.partition("?")
    names = signed_header_names(sent)
    target = f"{_path(path, scope)}\n{sorted_query(query_pairs(query))}"
    check_signable(credentials)
    canonical = _canonical(method, target, names, sent, hashed)
    signature = _signature(credentials, scope, stamp, canonical)
    granted = f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope.for_date(stamp)}"
    return {**added, "authorization": f"{granted}, SignedHeaders={';'.join(names)}, Signature={signature}"}


def presign(
    credentials: Credentials,
    scope: Scope,
    now: float,
    method: str,
    url: Url,
    *,
    expires: int,
    headers: Headers = (),
    body: bytes = b"",
) -> str:
    """Return the query of a URL that is valid for ``expires`` seconds, and secret meanwhile.

    The URL's own query comes first. ``headers`` and ``body`` must be sent as given; S3 does not check the body. A
    default port is not signed, as clients do not send it.
    """
    if not 1 <= expires <= LONGEST_EXPIRES:
        raise InvalidValueError(f"expires is not a number of seconds from 1 to {LONGEST_EXPIRES}")
    stamp = _stamp(now)
    usual = url._replace(port=None) if url.port == _DEFAULT_PORTS.get(url.scheme) else url
    sent = {"host": usual.origin.partition("://")[2], **normalized_headers(headers)}
    names = signed_header_names(sent)
    fields = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope.for_date(stamp)}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    if credentials.session_token is not None:
        fields["X-Amz-Security-Token"] = credentials.session_token
    path, _, own = url.target.partition("?")
    pairs = query_pairs("&".join(filter(None, own.split("&")))) + [
        (name, encoded(value)) for name, value in fields.items()
    ]
    hashed = sent.get(_CONTENT_HASH) or (UNSIGNED_PAYLOAD if scope.service in S3_STYLE_SERVICES else payload_hash(body))
    canonical = _canonical(method, f"{_path(path, scope)}\n{sorted_query(pairs)}", names, sent, hashed)
    query = "&".join([f"{name}={value}" for name, value in pairs])
    return f"{query}&X-Amz-Signature={_signature(credentials, scope, stamp, canonical)}"


def check_signable(credentials: Credentials) -> None:
    """Raise ``InvalidValueError`` if HTTP headers cannot contain the session token or the access key id."""
    token = credentials.session_token or ""
    if not token.isascii():
        raise InvalidValueError(f"the session token {_NOT_IN_HEADERS}")
    if token != token.strip():
        raise InvalidValueError("the session token begins or ends with a blank")
    if not credentials.access_key_id.isascii():
        raise InvalidValueError(f"the access key id {_NOT_IN_HEADERS}")


def payload_hash(body: bytes) -> str:
    """Return the hash of a body for a signature and for the header ``x-amz-content-sha256``."""
    return sha256(body).hexdigest()


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


def _path(path: str, scope: Scope) -> str:
    return path_encoded_once(path) if scope.service in S3_STYLE_SERVICES else path_encoded_twice(path)


def _canonical(method: str, target: str, names: list[str], headers: Mapping[str, str], hashed: str) -> str:
    lines = "\n".join([f"{name}:{headers[name]}" for name in names])
    canonical = f"{method.upper()}\n{target}\n{lines}\n\n{';'.join(names)}\n{hashed}"
    if not canonical.isascii():
        raise InvalidValueError(f"a header {_NOT_IN_HEADERS}")
    return canonical


def _signature(credentials: Credentials, scope: Scope, stamp: str, canonical: str) -> str:
    # The derived key is as secret as the access key, and deriving it takes microseconds: it is not cached.
    key = b"AWS4" + credentials.secret_access_key.encode()
    for part in (stamp[:8], scope.region, scope.service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    text = f"{_ALGORITHM}\n{stamp}\n{scope.for_date(stamp)}\n{payload_hash(canonical.encode())}"
    return digest(key, text.encode(), "sha256").hex()
