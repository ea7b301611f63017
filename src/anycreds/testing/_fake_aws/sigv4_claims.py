"""What a request says about its signature: the fields of the ``Authorization`` header or of a presigned query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import strptime
from typing import NamedTuple

from .messages import Refusal, read_pairs
from .sigv4_canonical import ALGORITHM

_FIELD = re.compile(r"(\w+)=([^,\s]+)")
_TIME = re.compile(r"\d{8}T\d{6}Z")
_FIELDS = ("Credential", "SignedHeaders", "Signature")
_SCOPE_PARTS = 5  # key id, date, region, service, terminator


class Claim(NamedTuple):
    """Who a request says it is from, before anything is checked."""

    access_key_id: str
    date: str
    region: str
    service: str
    terminator: str
    time: str
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    life: int | None
    """For how many seconds a presigned request is good; None: it is not presigned."""

    def __repr__(self) -> str:
        return f"Claim({self.access_key_id}, {self.scope})"

    @property
    def scope(self) -> str:
        """What stands behind the key id in the credential."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}"


def read_claim(target: str, headers: Mapping[bytes, bytes]) -> Claim | Refusal:
    """Read what a request says about its signature, or refuse it because that is not there or not whole."""
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    query = read_pairs(target.partition("?")[2]) or {}
    if authorization:
        return _in_header(authorization, headers)
    if "X-Amz-Algorithm" in query:
        return _in_query(query)
    return Refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")


def _in_header(authorization: str, headers: Mapping[bytes, bytes]) -> Claim | Refusal:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        return _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    fields = dict(_FIELD.findall(rest))
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        return _incomplete(" ".join(f"Authorization header requires '{name}' parameter." for name in missing))
    time = headers.get(b"x-amz-date", b"").decode("latin-1")
    token = headers.get(b"x-amz-security-token")
    return _claim(fields, time, None if token is None else token.decode("latin-1"), None)


def _in_query(query: Mapping[str, str]) -> Claim | Refusal:
    if query["X-Amz-Algorithm"] != ALGORITHM:
        return _incomplete("Unsupported AWS 'algorithm' in the query.")
    missing = [name for name in (*_FIELDS, "Date", "Expires") if f"X-Amz-{name}" not in query]
    if missing:
        return _incomplete(" ".join(f"AWS query-string parameters must include 'X-Amz-{name}'." for name in missing))
    life = query["X-Amz-Expires"]
    if not (life.isascii() and life.isdigit()):
        return _incomplete("X-Amz-Expires must be a number.")
    fields = {name: query[f"X-Amz-{name}"] for name in _FIELDS}
    return _claim(fields, query["X-Amz-Date"], query.get("X-Amz-Security-Token"), int(life[:9]))


def _claim(fields: Mapping[str, str], time: str, token: str | None, life: int | None) -> Claim | Refusal:
    parts = fields["Credential"].split("/")
    if len(parts) != _SCOPE_PARTS:
        return _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        )
    if not _is_time(time):
        return _incomplete("Date must be in ISO-8601 'basic format', in X-Amz-Date.")
    signed = tuple(fields["SignedHeaders"].split(";"))
    return Claim(parts[0], parts[1], parts[2], parts[3], parts[4], time, signed, fields["Signature"], token, life)


def _is_time(text: str) -> bool:
    try:
        return _TIME.fullmatch(text) is not None and strptime(text, "%Y%m%dT%H%M%SZ") is not None
    except ValueError:
        return False


def _incomplete(message: str) -> Refusal:
    return Refusal(403, "IncompleteSignature", message)
