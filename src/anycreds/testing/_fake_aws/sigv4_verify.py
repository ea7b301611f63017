"""Verifies Signature Version 4: computes the signature of a received request and checks its scope, key and time.

Works for any service, with the signature in the ``Authorization`` header or in the query. The error messages are those
of AWS query services (STS).

See: "Troubleshoot Signature Version 4 signing for AWS API requests" in the AWS IAM user guide
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html).
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from collections.abc import Callable, Mapping
from time import strptime
from typing import NamedTuple

from .messages import FakeServiceError, basic_date, read_pairs
from .sigv4_canonical import ALGORITHM, UNSIGNED, canonical_request, sha256, signature
from .state import AccessKey

MAX_CLOCK_SKEW = 300  # seconds between the time of a request and the time of the service, by AWS's error messages
_MAX_PRESIGNED_LIFETIME = 7 * 86_400  # seconds, by AWS's error message
_FIELD = re.compile(r"(\w+)=([^,\s]+)")
_FIELDS: tuple[str, ...] = ("Credential", "SignedHeaders", "Signature")
_TIME = re.compile(r"\d{8}T\d{6}Z")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_TERMINATOR = "aws4_request"

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class SignedBy(NamedTuple):
    """The verified signer of a request, and the scope of the signature."""

    key: AccessKey
    region: str
    service: str


class SignatureClaim(NamedTuple):
    """The fields of a signature, not verified."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    time: str
    signed_headers: list[str]
    signature: str
    session_token: str | None
    expires_in: int | None
    """The lifetime of a presigned request, in seconds; None if the request is not presigned."""

    def __repr__(self) -> str:
        return f"SignatureClaim({self.access_key_id}, {self.scope})"

    @property
    def scope(self) -> str:
        """The credential scope."""
        return "/".join(self[1:5])


def verify(
    method: str,
    target: str,
    headers: Mapping[bytes, bytes],
    body: bytes,
    *,
    find_key: Callable[[str], AccessKey | None],
    now: float,
    service: str,
    region: str | None = None,
) -> SignedBy:
    """Return the signer of a request to a service, in a region (None: any). Raises ``FakeServiceError``.

    ``target`` is path and query as received; header names are in lower case; ``now`` is in seconds since 1970.
    """
    claim = read_claim(target, headers)
    _check_scope(claim, service, region)
    key = _valid_key(claim, find_key(claim.access_key_id), now)
    _check_time(claim, now)
    _check_signed_headers(claim, headers)
    payload = _payload_hash(claim, headers, body)
    request = canonical_request(method, target, headers, claim.signed_headers, payload=payload, service=service)
    expected = signature(key.secret_access_key, claim.time, claim.scope, request)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise _mismatch(_MISMATCH)
    return SignedBy(key, claim.region, service)


def read_claim(target: str, headers: Mapping[bytes, bytes]) -> SignatureClaim:
    """Return the signature of a request. Raises ``FakeServiceError`` if it is missing or incomplete."""
    received = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    query = read_pairs(target.partition("?")[2]) or {}
    required = _FIELDS
    message = "Authorization header requires '{}' parameter."
    if authorization := received.get("authorization"):
        algorithm, _, rest = authorization.partition(" ")
        fields = dict(_FIELD.findall(rest))
        time, token = received.get("x-amz-date", ""), received.get("x-amz-security-token")
    elif algorithm := query.get("X-Amz-Algorithm", ""):
        required += ("Date", "Expires")
        message = "AWS query-string parameters must include 'X-Amz-{}'."
        fields = {name: query[f"X-Amz-{name}"] for name in required if f"X-Amz-{name}" in query}
        time, token = fields.get("Date", ""), query.get("X-Amz-Security-Token")
    else:
        raise FakeServiceError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    if missing := [name for name in required if name not in fields]:
        raise _incomplete(" ".join(map(message.format, missing)))
    return _claim(fields, time, token, None if authorization else fields["Expires"])


def _claim(fields: Mapping[str, str], time: str, token: str | None, expires_in: str | None) -> SignatureClaim:
    parts = fields["Credential"].split("/")
    if len(parts) != 5:
        message = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        raise _incomplete(message)
    if expires_in is not None and not (expires_in.isascii() and expires_in.isdigit()):
        raise _incomplete("X-Amz-Expires must be a number.")
    if not _is_time(time):
        raise _incomplete("Date must be in ISO-8601 'basic format', in X-Amz-Date.")
    key_id, date, region, service, terminator = parts
    signed, lifetime = fields["SignedHeaders"].split(";"), None if expires_in is None else int(expires_in[:9])
    return SignatureClaim(key_id, date, region, service, terminator, time, signed, fields["Signature"], token, lifetime)


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and strptime(text, "%Y%m%dT%H%M%SZ") is not None
    except ValueError:
        return False


def _check_scope(claim: SignatureClaim, service: str, region: str | None) -> None:
    if claim.terminator != _TERMINATOR:
        message = f"Credential should be scoped with a valid terminator: '{_TERMINATOR}', not '{claim.terminator}'."
        raise _mismatch(message)
    if claim.service != service:
        raise _mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if claim.region != region if region is not None else not _REGION.fullmatch(claim.region):
        raise _mismatch("Credential should be scoped to a valid region.")
    if claim.date != claim.time[:8]:
        raise _mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.time[:8]}', from '{claim.time}'."
        )


def _valid_key(claim: SignatureClaim, key: AccessKey | None, now: float) -> AccessKey:
    if key is None or claim.session_token != key.session_token:
        message = "The security token included in the request is invalid."
        raise FakeServiceError(403, "InvalidClientTokenId", message)
    if key.expiration <= now:
        raise FakeServiceError(403, "ExpiredToken", "The security token included in the request is expired")
    return key


def _check_time(claim: SignatureClaim, now: float) -> None:
    sent = timegm(strptime(claim.time, "%Y%m%dT%H%M%SZ"))
    lifetime = MAX_CLOCK_SKEW if claim.expires_in is None else claim.expires_in
    if claim.expires_in is not None and not 1 <= claim.expires_in <= _MAX_PRESIGNED_LIFETIME:
        message = "X-Amz-Expires must be from 1 to 604800 seconds"
        raise FakeServiceError(400, "AuthorizationQueryParametersError", message)
    if sent < now - lifetime:
        earliest, present = basic_date(now - lifetime), basic_date(now)
        span = f"{lifetime // 60} min." if lifetime % 60 == 0 else f"{lifetime} s."
        raise _mismatch(f"Signature expired: {claim.time} is now earlier than {earliest} ({present} - {span})")
    if sent > now + MAX_CLOCK_SKEW:
        latest, present = basic_date(now + MAX_CLOCK_SKEW), basic_date(now)
        raise _mismatch(f"Signature not yet current: {claim.time} is still later than {latest} ({present} + 5 min.)")


def _check_signed_headers(claim: SignatureClaim, headers: Mapping[bytes, bytes]) -> None:
    required = [name for raw in headers if (name := raw.decode("latin-1")).startswith("x-amz-")]
    for name in ("Host", *required):
        if name.lower() not in claim.signed_headers:
            raise _mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _payload_hash(claim: SignatureClaim, headers: Mapping[bytes, bytes], body: bytes) -> str:
    computed = sha256(body)
    declared = headers.get(b"x-amz-content-sha256", b"").decode("latin-1")
    if claim.service == "s3" and (declared == UNSIGNED or claim.expires_in is not None):
        return UNSIGNED
    if declared not in {"", computed}:
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise FakeServiceError(400, "XAmzContentSHA256Mismatch", message)
    return computed


def _mismatch(message: str) -> FakeServiceError:
    return FakeServiceError(403, "SignatureDoesNotMatch", message)


def _incomplete(message: str) -> FakeServiceError:
    return FakeServiceError(403, "IncompleteSignature", message)
