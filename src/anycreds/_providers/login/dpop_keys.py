"""The private keys of DPoP proofs, which ``cryptography`` parses and uses.

That library belongs to the extra ``anycreds[login]``. It is imported when a key is parsed, since it is optional and
takes some 30 ms. An error names the type of a key, never its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..._core.validation import InvalidValueError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# A P-256 key has some 240 characters. Checking the numbers of a huge RSA key would take seconds.
_MAX_LENGTH = 4096
_SIZE = 32  # bytes of one coordinate, and of r and of s
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
_EXPECTED = "expected a PEM private key on the curve P-256, as SEC1 or PKCS#8"
# Other labels that an error may name. An unknown label could be anything, a secret too.
_OTHER_LABELS: Final = {
    "CERTIFICATE": "a certificate",
    "DSA PRIVATE KEY": "a DSA key",
    "ENCRYPTED PRIVATE KEY": "an encrypted key",
    "OPENSSH PRIVATE KEY": "a key in OpenSSH format",
    "PUBLIC KEY": "a public key",
    "RSA PRIVATE KEY": "an RSA key",
}


class CryptographyMissingError(InvalidValueError):
    """``cryptography``, which parses the key, is not installed or cannot be imported."""


class SigningKey:
    """A ``DpopKey``. Its repr does not show it."""

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
    """Return the private key in a PEM text. Call it in a thread, since it imports a large library.

    Raises:
        CryptographyMissingError: The library is not installed or cannot be imported.
        InvalidValueError: The text is not a private key on the curve P-256.

    """
    block = _find_block(pem)
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:  # also a build for another platform or version of Python
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        raise CryptographyMissingError(reason) from None
    try:
        key = load_pem_private_key(block.encode("ascii"), None)
    except UnsupportedAlgorithm:
        raise InvalidValueError(f"is a key with an unsupported algorithm; {_EXPECTED}") from None
    except Exception:  # noqa: BLE001 - the library raises many classes for an invalid key
        raise InvalidValueError(f"is an invalid key; {_EXPECTED}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = type(key).__name__.removesuffix("PrivateKey").lstrip("_")
        raise InvalidValueError(f"is a key with the algorithm {algorithm}; {_EXPECTED}")
    if not isinstance(key.curve, ec.SECP256R1):
        raise InvalidValueError(f"is a key on the curve {key.curve.name}; {_EXPECTED}")
    return _signing_key(key)


def _find_block(pem: str) -> str:
    """Return the one block of a PEM text that may be a usable key."""
    if len(pem) > _MAX_LENGTH:
        raise InvalidValueError(f"has {len(pem)} characters; {_EXPECTED}")
    # Some tools write the two characters \n for a line break. PEM contains no backslash.
    text = pem.replace("\\r", "\r").replace("\\n", "\n")
    if not text.isascii():
        raise InvalidValueError(f"has characters beyond ASCII; {_EXPECTED}")
    blocks = {match[1]: match[0] for match in _BLOCK.finditer(text)}
    # OpenSSL writes a block "EC PARAMETERS" before the key, which is redundant.
    for label in ("EC PRIVATE KEY", "PRIVATE KEY"):
        if label in blocks:
            if "ENCRYPTED" in blocks[label]:
                raise InvalidValueError(f"is an encrypted key; {_EXPECTED}")
            return blocks[label] + "\n"
    found = next((f"is {_OTHER_LABELS[label]}" for label in blocks if label in _OTHER_LABELS), "is not a key")
    raise InvalidValueError(f"{found}; {_EXPECTED}")


def _signing_key(key: EllipticCurvePrivateKey) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")

    point = key.public_key().public_numbers()
    return SigningKey(point.x.to_bytes(_SIZE, "big"), point.y.to_bytes(_SIZE, "big"), sign)
