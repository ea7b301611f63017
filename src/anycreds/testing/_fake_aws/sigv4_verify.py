"""Who signed a request: the signature is computed again from what was received, and everything around it is checked.

For any service, with the signature in the ``Authorization`` header or in the query. The refusals have the words of
AWS's query services (STS); follows the AWS IAM user guide, "Troubleshoot Signature Version 4 signing".
"""

from __future__ import annotations

import hmac
import re
from calendar import timegm
from collections.abc import Callable, Mapping
from time import strptime
from typing import NamedTuple

from .issued_keys import Key
from .messages import Refusal, basic_date
from .sigv4_canonical import UNSIGNED, canonical_request, sha256, signature
from .sigv4_claims import Claim, read_claim

LONGEST_SKEW = 300  # seconds: how far the request's time may be from the service's
_LONGEST_LIFE = 7 * 86_400  # seconds that a presigned request may live
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_TERMINATOR = "aws4_request"

_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_UNKNOWN = Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
_EXPIRED = Refusal(403, "ExpiredToken", "The security token included in the request is expired")


class Caller(NamedTuple):
    """Who signed, and for what."""

    key: Key
    region: str
    service: str


def verify(
    method: str,
    target: str,
    headers: Mapping[bytes, bytes],
    body: bytes,
    *,
    key_of: Callable[[str], Key | None],
    now: float,
    service: str,
    region: str | None = None,
) -> Caller | Refusal:
    """Return who signed a request, or why it is refused.

    ``target`` is path and query and ``headers`` (names in lower case) as they came. ``key_of`` returns the key with an
    id, None for one that there is not. ``now`` is the service's time in seconds since 1970. The request must be signed
    for this service and, if given, this region.
    """
    claim = read_claim(target, headers)
    if isinstance(claim, Refusal):
        return claim
    key = key_of(claim.access_key_id)
    refusal = _scope(claim, service, region) or _key(claim, key, now) or _time(claim, now) or _signed(claim, headers)
    if refusal is not None:
        return refusal
    assert key is not None
    payload = _payload_hash(claim, headers, body)
    if isinstance(payload, Refusal):
        return payload
    request = canonical_request(method, target, headers, claim.signed_headers, payload=payload, service=service)
    expected = signature(key.secret_access_key, claim.time, claim.scope, request)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        return mismatch(_MISMATCH)
    return Caller(key, claim.region, service)


def mismatch(message: str) -> Refusal:
    """Return the refusal of a signature that is not right."""
    return Refusal(403, "SignatureDoesNotMatch", message)


def _scope(claim: Claim, service: str, region: str | None) -> Refusal | None:
    if claim.terminator != _TERMINATOR:
        said = f"Credential should be scoped with a valid terminator: '{_TERMINATOR}', not '{claim.terminator}'."
        return mismatch(said)
    if claim.service != service:
        return mismatch(f"Credential should be scoped to correct service: '{service}'.")
    if claim.region != region if region is not None else not _REGION.fullmatch(claim.region):
        return mismatch("Credential should be scoped to a valid region.")
    if claim.date != claim.time[:8]:
        return mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.time[:8]}', from '{claim.time}'."
        )
    return None


def _key(claim: Claim, key: Key | None, now: float) -> Refusal | None:
    if key is None or claim.session_token != key.session_token:
        return _UNKNOWN
    return _EXPIRED if key.end is not None and key.end <= now else None


def _time(claim: Claim, now: float) -> Refusal | None:
    sent = timegm(strptime(claim.time, "%Y%m%dT%H%M%SZ"))
    life = LONGEST_SKEW if claim.life is None else claim.life
    if claim.life is not None and not 1 <= claim.life <= _LONGEST_LIFE:
        return Refusal(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be from 1 to 604800 seconds")
    if sent < now - life:
        earliest, present = basic_date(now - life), basic_date(now)
        span = f"{life // 60} min." if life % 60 == 0 else f"{life} s."
        return mismatch(f"Signature expired: {claim.time} is now earlier than {earliest} ({present} - {span})")
    if sent > now + LONGEST_SKEW:
        latest, present = basic_date(now + LONGEST_SKEW), basic_date(now)
        return mismatch(f"Signature not yet current: {claim.time} is still later than {latest} ({present} + 5 min.)")
    return None


def _signed(claim: Claim, headers: Mapping[bytes, bytes]) -> Refusal | None:
    if "host" not in claim.signed_headers:
        return mismatch("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    for name in (raw.decode("latin-1") for raw in headers):
        if name.startswith("x-amz-") and name not in claim.signed_headers:
            return mismatch(f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")
    return None


def _payload_hash(claim: Claim, headers: Mapping[bytes, bytes], body: bytes) -> str | Refusal:
    real = sha256(body)
    said = headers.get(b"x-amz-content-sha256", b"").decode("latin-1")
    if claim.service == "s3" and (said == UNSIGNED or claim.life is not None):
        return UNSIGNED
    if said not in {"", real}:
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        return Refusal(400, "XAmzContentSHA256Mismatch", message)
    return real
