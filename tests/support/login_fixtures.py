"""For tests of ``aws login``: cache files, responses of the service, and its verification of DPoP proofs."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from anycreds._core.http import Response
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, answer

REFRESH_TOKEN = "canary-refresh-token-1"
NEW_TOKEN = "canary-refresh-token-2"
CLIENT = "arn:aws:signin:::devtools/same-device"
# the private scalar is 1.
_BODY = (
    "MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABoAoGCCqGSM49AwEHoUQDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5"
    "RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
)
PEM = f"-----BEGIN EC PRIVATE KEY-----\n{_BODY}\n-----END EC PRIVATE KEY-----\n"


def access_token(**changes: object) -> dict[str, Any]:
    """Return the credentials in a cache file, valid for 10 minutes. ``...`` omits a field."""
    full = {
        "accessKeyId": KEY_ID,
        "secretAccessKey": SECRET_KEY,
        "sessionToken": SESSION_TOKEN,
        "accountId": "012345678901",
        "expiresAt": "2024-01-02T03:14:05Z",
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def document(**changes: object) -> dict[str, Any]:
    """Return the document in a cache file. ``...`` omits a field."""
    full = {
        "accessToken": access_token(),
        "tokenType": "aws_sigv4",
        "clientId": CLIENT,
        "refreshToken": REFRESH_TOKEN,
        "idToken": "canary.id.token",
        "dpopKey": PEM,
        **changes,
    }
    return {name: value for name, value in full.items() if value is not ...}


def refresh_response(**changes: object) -> Response:
    """Return a response to a refresh. ``...`` omits a field."""
    full = {
        "accessToken": {"accessKeyId": "AKIDNEW", "secretAccessKey": SECRET_KEY, "sessionToken": SESSION_TOKEN},
        "tokenType": "aws_sigv4",
        "expiresIn": 900,
        "refreshToken": NEW_TOKEN,
        **changes,
    }
    return answer({name: value for name, value in full.items() if value is not ...})


def denied(name: object, status: int = 400, kind: str = "AccessDeniedException", **more: object) -> Response:
    """Return an error response of the service: its type in a header, its code and message in the body."""
    body = {"error": name, "message": "No.", **more}
    return answer(body, status, x_amzn_errortype=kind) if kind else answer(body, status)


def verified(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Verify a proof with the key in its header, as the service does, and return header and claims."""
    header, claims, signature = jwt.split(".")
    head = json.loads(bytes_of(header))
    x, y = (int.from_bytes(bytes_of(head["jwk"][name]), "big") for name in "xy")
    raw = bytes_of(signature)
    assert len(raw) == 64
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(encode_dss_signature(r, s), f"{header}.{claims}".encode(), ec.ECDSA(SHA256()))
    return head, json.loads(bytes_of(claims))


def bytes_of(part: str) -> bytes:
    """Decode a part of a JWT."""
    assert "=" not in part
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
