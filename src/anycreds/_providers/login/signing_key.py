"""The private keys of DPoP proofs, which ``cryptography`` parses and uses. Only ``dpop_keys`` imports this module."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ..._core.validation import InvalidValueError
from .dpop_keys import EXPECTED

_SIZE = 32  # bytes of one coordinate, and of r and of s


class SigningKey:
    """A private key on the curve P-256. Its repr does not show it; ``x`` and ``y`` are the public key."""

    __slots__ = ("_key", "x", "y")

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        point = key.public_key().public_numbers()
        self.x, self.y = point.x.to_bytes(_SIZE, "big"), point.y.to_bytes(_SIZE, "big")
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256: r and s, 32 bytes each."""
        r, s = decode_dss_signature(self._key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")

    def __repr__(self) -> str:
        return "SigningKey(P-256)"


def parse_key(block: str) -> SigningKey:
    """Return the private key in one PEM block."""
    try:
        key = load_pem_private_key(block.encode("ascii"), None)
    except UnsupportedAlgorithm:
        raise InvalidValueError(f"is a key with an unsupported algorithm; {EXPECTED}") from None
    except Exception:  # noqa: BLE001 - the library raises many classes for an invalid key
        raise InvalidValueError(f"is an invalid key; {EXPECTED}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        algorithm = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise InvalidValueError(f"is a key with the algorithm {algorithm}; {EXPECTED}")
    if not isinstance(key.curve, SECP256R1):
        raise InvalidValueError(f"is a key on the curve {key.curve.name}; {EXPECTED}")
    return SigningKey(key)
