"""The private keys of DPoP proofs: read and used by ``cryptography``, which nothing else here names.

It belongs to the extra ``login``, and is imported when a key is to be read: that takes some 30 ms, so it is done in a
thread. What is wrong with a key is said by its kind and never by its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..._core.validation import InvalidValueError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# A P-256 key takes up some 240 characters. Checking the numbers of a huge RSA key would take seconds.
_LONGEST = 4096
_SIZE = 32  # bytes of one coordinate, and of r and of s
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_EXPECTED = "needed is a private key on the curve P-256, as PEM in the form SEC1 or PKCS#8"
# What else may stand in a PEM block, as far as people may be told; others could be anything.
_OTHERS: Final = {
    "CERTIFICATE": "a certificate",
    "DSA PRIVATE KEY": "a DSA key",
    "ENCRYPTED PRIVATE KEY": "an encrypted key",
    "OPENSSH PRIVATE KEY": "a key in the form of OpenSSH",
    "PUBLIC KEY": "a public key",
    "RSA PRIVATE KEY": "an RSA key",
}


class CryptographyMissingError(InvalidValueError):
    """``cryptography``, which reads the key, is not installed or cannot be imported."""


class SigningKey:
    """A ``dpop.Key``. It cannot be printed."""

    __slots__ = ("_sign", "x", "y")

    def __init__(self, x: bytes, y: bytes, sign: Callable[[bytes], bytes]) -> None:
        self.x = x
        self.y = y
        self._sign = sign

    def sign(self, message: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256: r and s, 32 bytes each."""
        return self._sign(message)

    def __repr__(self) -> str:
        return "SigningKey(P-256)"


def load_key(pem: str) -> SigningKey:
    """Return a private key from its PEM text. To be called in a thread, since it loads a large library.

    Raises:
        CryptographyMissingError: The library is not installed or cannot be imported.
        InvalidValueError: The text is not a key that can be used.

    """
    block = _block(pem)
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:  # also where it is there, but not for this system or Python
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        raise CryptographyMissingError(reason) from None
    try:
        key = load_pem_private_key(block.encode("ascii"), None)
    except UnsupportedAlgorithm:
        raise InvalidValueError(f"is a key of a kind that is not supported; {_EXPECTED}") from None
    except Exception:  # noqa: BLE001 - it has many ways to be unhappy with a key, and all mean this
        raise InvalidValueError(f"is damaged; {_EXPECTED}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise InvalidValueError(f"is a key of the kind {kind}; {_EXPECTED}")
    if not isinstance(key.curve, ec.SECP256R1):
        raise InvalidValueError(f"is a key on the curve {key.curve.name}; {_EXPECTED}")
    return _signing(key)


def _block(pem: str) -> str:
    """Return the one block of a PEM text that may be a usable key."""
    if len(pem) > _LONGEST:
        raise InvalidValueError(f"has {len(pem)} characters; {_EXPECTED}")
    # Some tools write the key with a backslash and an n for each end of a line; no PEM text has a backslash.
    text = pem.replace("\\r", "\r").replace("\\n", "\n")
    if not text.isascii():
        raise InvalidValueError(f"has characters beyond ASCII; {_EXPECTED}")
    blocks = {match[1]: match[0] for match in _BLOCK.finditer(text)}
    # Before its key, OpenSSL writes a block "EC PARAMETERS", which says nothing more.
    for label in ("EC PRIVATE KEY", "PRIVATE KEY"):
        if label in blocks:
            if "ENCRYPTED" in blocks[label]:
                raise InvalidValueError(f"is an encrypted key; {_EXPECTED}")
            return blocks[label] + "\n"
    kind = next((_OTHERS[label] for label in blocks if label in _OTHERS), "no key")
    raise InvalidValueError(f"is {kind}; {_EXPECTED}")


def _signing(key: EllipticCurvePrivateKey) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")

    point = key.public_key().public_numbers()
    return SigningKey(point.x.to_bytes(_SIZE, "big"), point.y.to_bytes(_SIZE, "big"), sign)
