"""Finds and loads the private key of DPoP proofs in a PEM text. An error names the type of a key, never its content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..._core.validation import InvalidValueError

if TYPE_CHECKING:
    from .signing_key import SigningKey

# A P-256 key has some 240 characters. Checking the numbers of a huge RSA key would take seconds.
_MAX_LENGTH = 4096
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----.*?-----END \1-----", re.DOTALL)
EXPECTED = "expected a PEM private key on the curve P-256, as SEC1 or PKCS#8"
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
    """``cryptography``, of the extra ``anycreds[login]``, is not installed or cannot be imported."""


def load_key(pem: str) -> SigningKey:
    """Return the private key in a PEM text. Call it in a thread, since it imports a large library.

    Raises ``CryptographyMissingError``, and ``InvalidValueError`` if there is no private key on the curve P-256.
    """
    block = _find_block(pem)
    try:
        from .signing_key import parse_key  # it imports the library, which is optional and takes some 30 ms
    except ImportError as error:  # also a build for another platform or version of Python
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else "cannot be imported"
        raise CryptographyMissingError(reason) from None
    return parse_key(block)


def _find_block(pem: str) -> str:
    """Return the one block of a PEM text that may be a usable key."""
    if len(pem) > _MAX_LENGTH:
        raise InvalidValueError(f"has {len(pem)} characters; {EXPECTED}")
    # Some tools write the two characters \n for a line break. PEM contains no backslash.
    text = pem.replace("\\r", "\r").replace("\\n", "\n")
    if not text.isascii():
        raise InvalidValueError(f"has characters beyond ASCII; {EXPECTED}")
    blocks = {match[1]: match[0] for match in _BLOCK.finditer(text)}
    # OpenSSL writes a block "EC PARAMETERS" before the key, which is redundant.
    for label in ("EC PRIVATE KEY", "PRIVATE KEY"):
        if label in blocks:
            if "ENCRYPTED" in blocks[label]:
                raise InvalidValueError(f"is an encrypted key; {EXPECTED}")
            return blocks[label] + "\n"
    found = next((f"is {_OTHER_LABELS[label]}" for label in blocks if label in _OTHER_LABELS), "is not a key")
    raise InvalidValueError(f"{found}; {EXPECTED}")
