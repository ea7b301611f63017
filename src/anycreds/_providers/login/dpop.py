"""DPoP proofs (RFC 9449): each shows that the sender of one request has the key that its token was issued for.

A proof is a signed JWT in compact form. Each request needs a new one, so that a recorded proof is useless.
See: https://www.rfc-editor.org/rfc/rfc9449
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..._core.http import Url

if TYPE_CHECKING:
    from .signing_key import SigningKey

_DEFAULT_PORTS = {"http": 80, "https": 443}


def dpop_proof(key: SigningKey, method: str, url: Url, now: float, jti: str) -> str:
    """Return the value of the header ``DPoP`` for a request to a URL at a time, in seconds since 1970.

    ``jti`` is a unique identifier: the service rejects a proof whose identifier it has seen before.
    """
    jwk = {"kty": "EC", "crv": "P-256", "x": _base64url(key.x), "y": _base64url(key.y)}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
    claims = {"jti": jti, "htm": method, "htu": target_uri(url), "iat": int(now)}
    signed = f"{_encode(header)}.{_encode(claims)}"
    return f"{signed}.{_base64url(key.sign(signed.encode('ascii')))}"


def target_uri(url: Url) -> str:
    """Return a URL as the claim ``htu`` contains it: without its query, and without the default port."""
    port = None if url.port == _DEFAULT_PORTS.get(url.scheme) else url.port
    return str(url._replace(port=port, target=url.target.partition("?")[0] or "/"))


def _encode(fields: Mapping[str, object]) -> str:
    return _base64url(json.dumps(fields, separators=(",", ":")).encode("ascii"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
