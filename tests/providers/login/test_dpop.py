"""DPoP proofs follow RFC 9449, and their keys are parsed strictly and never shown."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from anycreds._core.http import Url
from anycreds._core.validation import InvalidValueError
from anycreds._providers.login.dpop import dpop_proof, target_uri
from anycreds._providers.login.dpop_keys import CryptographyMissingError, load_key
from anycreds._providers.login.signing_key import SigningKey
from anycreds._wire.urls import parse_url
from support.errors import outcome, rejected
from support.login_fixtures import PEM, bytes_of, verified
from support.rows import each_row

# A test vector of the reference; the private scalar is 1.
X, Y = "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
TOKEN_URL = "https://eu-central-1.signin.aws.amazon.com/v1/token"
PASSWORD = BestAvailableEncryption(b"canary")


def url(text: str) -> Url:
    """Return a valid URL."""
    found = parse_url(text)
    assert isinstance(found, Url)
    return found


def key(pem: str = PEM) -> SigningKey:
    """Return a valid key."""
    found = load_key(pem)
    assert isinstance(found, SigningKey), found
    return found


def pem_of(private: Any, form: PrivateFormat = PrivateFormat.PKCS8, encryption: Any = None) -> str:
    """Write a private key."""
    text: bytes = private.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return text.decode()


def test_proof_has_the_expected_header_and_claims() -> None:
    """The reference key has these coordinates, and the proof has the header and claims that AWS expects."""
    header, claims = verified(dpop_proof(key(), "POST", url(TOKEN_URL), 1_704_164_645.9, "an-id"))
    assert header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": X, "y": Y}}
    assert claims == {"jti": "an-id", "htm": "POST", "htu": TOKEN_URL, "iat": 1_704_164_645}


def test_signature_is_invalid_for_changed_claims() -> None:
    """The signature of a proof is invalid for other claims."""
    header, claims, signature = dpop_proof(key(), "POST", url(TOKEN_URL), 1.0, "id").split(".")
    other = dpop_proof(key(), "POST", url(TOKEN_URL), 2.0, "id").split(".")[1]
    assert claims != other
    with pytest.raises(InvalidSignature):
        verified(f"{header}.{other}.{signature}")


@pytest.mark.parametrize(("scalar", "axis", "zeros"), [(379, "x", 1), (43, "y", 1), (2376, "y", 2)])
def test_coordinate_with_leading_zeros_has_32_bytes(scalar: int, axis: str, zeros: int) -> None:
    """Each coordinate has 32 bytes, also if its first bytes are zero, as those of these private keys are."""
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    header, _ = verified(dpop_proof(key(pem_of(private)), "POST", url(TOKEN_URL), 1.0, "id"))
    assert {name: len(bytes_of(header["jwk"][name])) for name in "xy"} == {"x": 32, "y": 32}
    assert bytes_of(header["jwk"][axis])[: zeros + 1].count(0) == zeros


def test_signature_length() -> None:
    """Each signature has 64 bytes, also if r or s has leading zeros, which is so for one in 128."""
    one = key()
    assert {len(one.sign(b"")) for _ in range(1500)} == {64}


@each_row(
    "requested, target",
    [
        (TOKEN_URL, TOKEN_URL),
        (f"{TOKEN_URL}?a=b", TOKEN_URL),
        ("https://HOST.example:443/v1/token", "https://host.example/v1/token"),
        ("http://127.0.0.1:80/v1/token", "http://127.0.0.1/v1/token"),
        ("http://127.0.0.1:443/v1/token", "http://127.0.0.1:443/v1/token"),
        ("http://[::1]:8080/p/v1/token", "http://[::1]:8080/p/v1/token"),
        ("https://host.example", "https://host.example/"),
    ],
)
def test_target_uri_has_no_query_and_no_default_port(requested: str, target: str) -> None:
    """The claim htu has scheme, host, path, and a port that is not the default."""
    assert target_uri(url(requested)) == target


P256 = ec.generate_private_key(ec.SECP256R1())
SEC1 = pem_of(P256, PrivateFormat.TraditionalOpenSSL)
# What `openssl ecparam -genkey` writes before its key.
PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"


@each_row(
    "pem",
    [
        pem_of(P256),
        SEC1,
        SEC1.replace("\n", "\r\n"),
        SEC1.replace("\n", "\\n"),
        SEC1.replace("\n", "\\r\\n"),
        f"\n  {SEC1}\n\n",
        SEC1.rstrip("\n"),
        PARAMETERS + SEC1,
    ],
    ids=["pkcs8", "sec1", "crlf", "literal \\n", "literal \\r\\n", "blanks", "no final newline", "openssl"],
)
def test_every_format_of_a_key_is_parsed(pem: str) -> None:
    """Each format in which tools write a P-256 key is parsed to the same public key."""
    numbers = P256.public_key().public_numbers()
    found = key(pem)
    assert (found.x, found.y) == (numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
    verified(dpop_proof(found, "POST", url(TOKEN_URL), 1.0, "id"))


RSA = rsa.generate_private_key(65537, 1024)
PUBLIC = P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.fault("U32")
@each_row(
    "pem, reason",
    [
        ("", "is not a key"),
        ("canary", "is not a key"),
        ("canary-\u00e9", "has characters beyond ASCII"),
        ("canary" * 1000, "has 6000 characters"),
        (SEC1[:-40], "is not a key"),
        ("-----BEGIN CANARY KEY-----\ncanary\n-----END CANARY KEY-----\n", "is not a key"),
        ("-----BEGIN EC PRIVATE KEY-----\ncanary\n-----END EC PRIVATE KEY-----\n", "is an invalid key"),
        ("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n", "is an invalid key"),
        (PEM.replace("AAAB", "AAAC", 1), "is an invalid key"),
        (pem_of(RSA), "is a key with the algorithm RSA"),
        (pem_of(RSA, PrivateFormat.TraditionalOpenSSL), "is an RSA key"),
        (pem_of(dsa.generate_private_key(1024)), "is a key with "),
        (pem_of(ed25519.Ed25519PrivateKey.generate()), "is a key with the algorithm Ed25519"),
        (pem_of(ed25519.Ed25519PrivateKey.generate(), PrivateFormat.OpenSSH), "is a key in OpenSSH format"),
        (pem_of(ec.generate_private_key(ec.SECP384R1())), "is a key on the curve secp384r1"),
        (pem_of(ec.generate_private_key(ec.SECP256K1()), PrivateFormat.TraditionalOpenSSL), "on the curve secp256k1"),
        (pem_of(P256, encryption=PASSWORD), "is an encrypted key"),
        (pem_of(P256, PrivateFormat.TraditionalOpenSSL, PASSWORD), "is an encrypted key"),
        (PUBLIC, "is a public key"),
        ("-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n", "is a certificate"),
    ],
)
def test_invalid_key_is_rejected_without_its_content(pem: str, reason: str) -> None:
    """The error for an invalid key names its type and what is expected, and none of its content."""
    error = rejected(load_key, pem)
    assert not isinstance(error, CryptographyMissingError)
    message = str(error)
    assert reason in message
    assert "P-256" in message
    assert "canary" not in message.lower()
    assert not any(line in message for line in pem.splitlines() if len(line) > 10)


@pytest.mark.fault("U32")
@given(st.data())
def test_damaged_key_is_parsed_or_rejected(data: st.DataObject) -> None:
    """A damaged key is parsed or raises ``InvalidValueError``."""
    raw = bytearray(base64.b64decode(PEM.partition("\n")[2].rpartition("\n-")[0]))
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[at] = data.draw(st.integers(0, 255))
    body = base64.b64encode(bytes(raw[: data.draw(st.integers(0, len(raw)))])).decode()
    label = data.draw(st.sampled_from(["EC PRIVATE KEY", "PRIVATE KEY"]))
    found = outcome(load_key, f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    assert isinstance(found, SigningKey | InvalidValueError)


def test_repr_of_a_key_shows_nothing_of_it() -> None:
    """The repr and text of a key show none of it."""
    assert repr(key()) == str(key()) == "SigningKey(P-256)"


@pytest.mark.parametrize(
    ("blocked", "reason"), [("None", "is not installed"), ("types.ModuleType('cryptography')", "is not installed")]
)
def test_without_cryptography(blocked: str, reason: str) -> None:
    """If cryptography is missing or incomplete, that is the error, except for a text without a key."""
    code = (
        "import sys, types\n"
        f"sys.modules['cryptography'] = {blocked}\n"
        "from anycreds._providers.login.dpop_keys import CryptographyMissingError, load_key\n"
        "def error_of(pem):\n"
        "    try: load_key(pem)\n"
        "    except ValueError as error: return error\n"
        f"error = error_of({PEM!r})\n"
        f"assert isinstance(error, CryptographyMissingError) and str(error) == {reason!r}, error\n"
        "assert type(error_of('')).__name__ == 'InvalidValueError'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr


def test_cryptography_is_imported_lazily() -> None:
    """Importing the modules, and parsing a text without a key, does not import cryptography."""
    code = (
        "import sys\n"
        "import anycreds._providers.login.dpop\n"
        "from anycreds._providers.login.dpop_keys import load_key\n"
        "try: load_key('nothing')\n"
        "except ValueError: pass\n"
        "else: raise AssertionError('accepted')\n"
        "assert 'cryptography' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=20, check=True)
