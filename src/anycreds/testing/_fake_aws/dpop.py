"""Verifies DPoP proofs (RFC 9449) for the fake of sign-in, and creates private keys for its logins.

Needs ``cryptography``, so that only the first proof or key imports this module.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .messages import CANARY, FakeRequest, FakeServiceError

MAX_CLOCK_SKEW = 300  # seconds between the time of a proof and the time of the service
_COORDINATE_SIZE = 32  # bytes of a coordinate on P-256, and of each half of a signature
_LOOPBACK_HOSTS = ("127.0.0.1", "[::1]", "localhost")


class DpopProof(NamedTuple):
    """A verified proof."""

    thumbprint: str
    """The hash of the public key."""
    identifier: str


def read_proof(request: FakeRequest, now: float) -> DpopProof:
    """Verify and return the proof of a request. Raises ``FakeServiceError``."""
    parts = request.header("dpop").split(".")
    if len(parts) != 3:
        raise _invalid("the DPoP header is not a compact JWS")
    try:
        decoded = [_base64url(part) for part in parts]
        head, claims = (json.loads(part) for part in decoded[:2])
    except (ValueError, RecursionError):
        raise _invalid("the DPoP proof cannot be decoded") from None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise _invalid("the DPoP proof cannot be decoded: its parts are not JSON objects")
    if head.get("alg") != "ES256" or head.get("typ") != "dpop+jwt":
        raise _invalid("the DPoP proof's alg is not ES256, or its typ not dpop+jwt")
    thumbprint = _verify(head.get("jwk"), f"{parts[0]}.{parts[1]}".encode(), decoded[2])
    _check_claims(request, claims, now)
    return DpopProof(thumbprint, claims["jti"])


def url_of(request: FakeRequest) -> str:
    """Return the URL of a request without its query. Its scheme is https unless the host is loopback."""
    host = request.header("host")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return f"{'http' if name in _LOOPBACK_HOSTS else 'https'}://{host}{request.path}"


def new_key(number: int, encoding: Literal["sec1", "pkcs8"] = "sec1") -> str:
    """Return a private key in PEM, a different one for each number. The PEM contains ``CANARY``."""
    # Base64 encodes three bytes as four characters. CANARY is at the two offsets where such a group begins: in PKCS #8
    # before the key's first byte, in SEC 1 before its ninth.
    marker = base64.b64decode(CANARY + "AA")
    scalar = marker + b"\0" * (8 - len(marker)) + marker + number.to_bytes(_COORDINATE_SIZE - 8 - len(marker))
    form = PrivateFormat.PKCS8 if encoding == "pkcs8" else PrivateFormat.TraditionalOpenSSL
    key = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def _check_claims(request: FakeRequest, claims: dict[str, Any], now: float) -> None:
    if claims.get("htm") != request.method:
        raise _invalid("the DPoP proof's htm is not the method")
    if claims.get("htu") != url_of(request):
        raise _invalid("the DPoP proof's htu is not the URL")
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int | float) or not abs(issued_at - now) <= MAX_CLOCK_SKEW:
        raise _invalid("the DPoP proof's iat is not within five minutes of now")
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        raise _invalid("the DPoP proof has no jti")


def _verify(jwk: Any, text: bytes, signature: bytes) -> str:
    """Verify a signature by a public key on P-256, and return the hash of the key. Raises ``FakeServiceError``."""
    try:
        x, y = _base64url(jwk["x"]), _base64url(jwk["y"])
        kind = jwk["kty"], jwk["crv"], len(x), len(y)
    except (KeyError, TypeError, ValueError):
        raise _invalid("the DPoP proof's jwk is malformed, so it is not a public key on P-256") from None
    if kind != ("EC", "P-256", _COORDINATE_SIZE, _COORDINATE_SIZE) or "d" in jwk:
        raise _invalid("the DPoP proof's jwk is not a public key on P-256")
    try:
        r, s = (int.from_bytes(half) for half in struct.unpack("32s32s", signature))
        key = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP256R1()).public_key()
        key.verify(encode_dss_signature(r, s), text, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError, struct.error):
        raise _invalid("the DPoP proof's signature is wrong") from None
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{jwk["x"]}","y":"{jwk["y"]}"}}'
    return hashlib.sha256(canonical.encode()).hexdigest()


def _base64url(part: str) -> bytes:
    """Decode base64url without padding. Raises ``ValueError``, or ``TypeError`` if it is not a string."""
    if not set("=+/").isdisjoint(part):
        raise ValueError("not base64url")
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _invalid(message: str) -> FakeServiceError:
    return FakeServiceError(400, "ValidationException", message, "INVALID_REQUEST")
