"""DPoP: the proof, sent with a request, that its sender holds the key that a token was given for (RFC 9449).

It is a signed JWT in its compact form, made anew for each request: whoever records one can use it for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..._core.http import Url

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Key(Protocol):
    """An elliptic curve key on P-256 that can sign."""

    @property
    def x(self) -> bytes:
        """Return the first coordinate of its public point, 32 bytes."""

    @property
    def y(self) -> bytes:
        """Return the second coordinate, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256: r and s, 32 bytes each."""


def proof(key: Key, method: str, url: Url, now: float, unique: str) -> str:
    """Return the value of the header ``DPoP``.

    ``now``: seconds since 1970. ``unique`` must be new each time, or the service takes the proof for a recorded one.
    """
    jwk = {"kty": "EC", "crv": "P-256", "x": _base64url(key.x), "y": _base64url(key.y)}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
    claims = {"jti": unique, "htm": method, "htu": target_of(url), "iat": int(now)}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_base64url(key.sign(signed.encode('ascii')))}"


def target_of(url: Url) -> str:
    """Return a URL as the claim ``htu`` has it: without its query, and without a port that goes without saying."""
    port = None if url.port == _DEFAULT_PORTS.get(url.scheme) else url.port
    return str(url._replace(port=port, target=url.target.partition("?")[0] or "/"))


def _part(fields: Mapping[str, object]) -> str:
    import json  # only here: no other way to get credentials needs it, and most programs never load it through us

    return _base64url(json.dumps(fields, separators=(",", ":")).encode("ascii"))


def _base64url(data: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
