"""DPoP proofs (RFC 9449) as sign-in demands them: verified, and made only from keys of the fake's own.

Needs ``cryptography``, which is imported when a proof or key is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Literal, NamedTuple

from .messages import CANARY, Asked, Refusal

LONGEST_SKEW = 300  # seconds: how far a proof's time may be from the service's
_COORDINATE = 32  # bytes of a coordinate, and of each half of a signature, on P-256
_NEAR = ("127.0.0.1", "[::1]", "localhost")


class Proof(NamedTuple):
    """A proof that is good."""

    thumbprint: str
    """A hash of the key that signed it."""
    identifier: str


def read_proof(asked: Asked, now: float) -> Proof | Refusal:
    """Verify the proof of a request, or say what is wrong with it. Raises ``RuntimeError`` without ``cryptography``."""
    parts = asked.header("dpop").split(".")
    if len(parts) != 3:
        return _wrong("the DPoP header is not a compact JWS")
    head, claims, signature = _object(parts[0]), _object(parts[1]), _bytes(parts[2])
    if head is None or claims is None or signature is None:
        return _wrong("the DPoP proof cannot be decoded")
    if head.get("alg") != "ES256" or head.get("typ") != "dpop+jwt":
        return _wrong("the DPoP proof's alg is not ES256, or its typ not dpop+jwt")
    point = _point(head.get("jwk"))
    if point is None or not _is_signed(point, f"{parts[0]}.{parts[1]}".encode(), signature):
        return _wrong("the DPoP proof's key is not one on P-256, or did not sign it")
    if (said := _claims_problem(asked, claims, now)) is not None:
        return _wrong(said)
    return Proof(_thumbprint(point), claims["jti"])


def address_of(asked: Asked) -> str:
    """Return the URL that was asked, without its query. Beyond this machine it can only be one with TLS."""
    host = asked.header("host")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return f"{'http' if name in _NEAR else 'https'}://{host}{asked.path}"


def new_key(number: int, encoding: Literal["sec1", "pkcs8"] = "sec1") -> str:
    """Return a private key in PEM, another for each number. It holds the word ``CANARY`` like every other secret.

    Raises ``RuntimeError`` without ``cryptography``.
    """
    ec, _, serialization = _cryptography()
    # In base64 three bytes are four characters. The word stands where both encodings have such a group begin: PKCS #8
    # before the key's first byte, SEC 1 before its ninth.
    word = base64.b64decode(CANARY + "AA")
    scalar = word + b"\0" * (8 - len(word)) + word + number.to_bytes(_COORDINATE - 8 - len(word))
    form = serialization.PrivateFormat.PKCS8 if encoding == "pkcs8" else serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return pem.decode()


def _claims_problem(asked: Asked, claims: dict[str, Any], now: float) -> str | None:
    if claims.get("htm") != asked.method:
        return "the DPoP proof's htm is not the method"
    if claims.get("htu") != address_of(asked):
        return "the DPoP proof's htu is not the URL"
    made = claims.get("iat")
    if not isinstance(made, int | float) or not abs(made - now) <= LONGEST_SKEW:
        return "the DPoP proof's iat is not within five minutes of now"
    if not isinstance(claims.get("jti"), str) or not claims["jti"]:
        return "the DPoP proof has no jti"
    return None


def _point(jwk: object) -> tuple[bytes, bytes] | None:
    """Return the coordinates of a public key; None: it is not one on P-256, or there is a private key with it."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "EC" or jwk.get("crv") != "P-256" or "d" in jwk:
        return None
    x, y = _bytes(jwk.get("x")), _bytes(jwk.get("y"))
    return (x, y) if x is not None and y is not None and len(x) == len(y) == _COORDINATE else None


def _is_signed(point: tuple[bytes, bytes], text: bytes, signature: bytes) -> bool:
    ec, asymmetric, _ = _cryptography()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 2 * _COORDINATE:
        return False
    x, y, r, s = (int.from_bytes(part) for part in (*point, signature[:_COORDINATE], signature[_COORDINATE:]))
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        key.verify(asymmetric.encode_dss_signature(r, s), text, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _thumbprint(point: tuple[bytes, bytes]) -> str:
    x, y = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in point)
    text = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return hashlib.sha256(text.encode()).hexdigest()


def _object(part: str) -> dict[str, Any] | None:
    try:
        document = json.loads(_bytes(part) or b"")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _bytes(part: object) -> bytes | None:
    """Decode base64url without padding; None: it is not that."""
    if not isinstance(part, str) or not part.isascii() or "=" in part or "+" in part or "/" in part:
        return None
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _cryptography() -> tuple[Any, Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, utils
    except ImportError as error:
        raise RuntimeError("sign-in in FakeAWS needs the package cryptography, which is not installed") from error
    return ec, utils, serialization


def _wrong(message: str) -> Refusal:
    return Refusal(400, "ValidationException", message, "INVALID_REQUEST")
