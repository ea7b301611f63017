"""The signature that a request carries, parsed from its ``Authorization`` header or from a presigned query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import strptime
from typing import NamedTuple

from .messages import FakeServiceError, read_pairs
from .sigv4_canonical import ALGORITHM

_FIELD = re.compile(r"(\w+)=([^,\s]+)")
_TIME = re.compile(r"\d{8}T\d{6}Z")
_FIELDS = ("Credential", "SignedHeaders", "Signature")
_SCOPE_PARTS = 5  # key id, date, region, service, terminator


class SignatureClaim(NamedTuple):
    """The fields of a signature, not verified."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    time: str
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    expires_in: int | None
    """The lifetime of a presigned request, in seconds; None if the request is not presigned."""

    def __repr__(self) -> str:
        return f"SignatureClaim({self.access_key_id}, {self.scope})"

    @property
    def scope(self) -> str:
        """The credential scope."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


def read_claim(target: str, headers: Mapping[bytes, bytes]) -> SignatureClaim:
    """Return the signature of a request. Raises ``FakeServiceError`` if it is missing or incomplete."""
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    query = read_pairs(target.partition("?")[2]) or {}
    if authorization:
        return _from_header(authorization, headers)
    if "X-Amz-Algorithm" in query:
        return _from_query(query)
    raise FakeServiceError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")


def _from_header(authorization: str, headers: Mapping[bytes, bytes]) -> SignatureClaim:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(_FIELD.findall(rest))
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise _incomplete(" ".join(f"Authorization header requires '{name}' parameter." for name in missing))
    time = headers.get(b"x-amz-date", b"").decode("latin-1")
    token = headers.get(b"x-amz-security-token")
    return _claim(fields, time, None if token is None else token.decode("latin-1"), None)


def _from_query(query: Mapping[str, str]) -> SignatureClaim:
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _incomplete("Unsupported AWS 'algorithm' in the query.")
    missing = [name for name in (*_FIELDS, "Date", "Expires") if f"X-Amz-{name}" not in query]
    if missing:
        message = " ".join(f"AWS query-string parameters must include 'X-Amz-{name}'." for name in missing)
        raise _incomplete(message)
    expires_in = query["X-Amz-Expires"]
    if not (expires_in.isascii() and expires_in.isdigit()):
        raise _incomplete("X-Amz-Expires must be a number.")
    fields = {name: query[f"X-Amz-{name}"] for name in _FIELDS}
    return _claim(fields, query["X-Amz-Date"], query.get("X-Amz-Security-Token"), int(expires_in[:9]))


def _claim(fields: Mapping[str, str], time: str, token: str | None, expires_in: int | None) -> SignatureClaim:
    parts = fields["Credential"].split("/")
    if len(parts) != _SCOPE_PARTS:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    if not _is_time(time):
        raise _incomplete("Date must be in ISO-8601 'basic format', in X-Amz-Date.")
    key_id, date, region, service, terminator = parts
    signed = tuple(fields["SignedHeaders"].split(";"))
    signature = fields["Signature"]
    return SignatureClaim(key_id, date, region, service, terminator, time, signed, signature, token, expires_in)


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and strptime(text, "%Y%m%dT%H%M%SZ") is not None
    except ValueError:
        return False


def _incomplete(message: str) -> FakeServiceError:
    return FakeServiceError(403, "IncompleteSignature", message)
