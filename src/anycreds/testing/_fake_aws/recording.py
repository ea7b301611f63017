"""What ``FakeAWS.exchanges`` records: the parameters of a request without secrets, and the scope of its signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .messages import FakeRequest, read_json, read_pairs
from .sts import read_form

_NOT_SECRET = re.compile(
    r"Action|Version|RoleArn|RoleSessionName|Policy|DurationSeconds|ExternalId|SerialNumber|SourceIdentity|ProviderId"
    r"|MinimumSessionTokenSize|(PolicyArns|Tags|TransitiveTagKeys)(\..*)?|ProvidedContexts(\..*ProviderArn)?"
    r"|account_id|role_name|grantType|clientId|AccountId|IdentityPoolId|IdentityId|CustomRoleArn"
)
_SCOPE = re.compile(r"([^/]+)/[^/]*/([^/]*)/([^/]*)/[^/]*")


class SignedFor(NamedTuple):
    """The credential scope in a request's signature, which the fake may or may not have accepted."""

    access_key_id: str
    region: str
    service: str


class Exchange(NamedTuple):
    """A request and the status of its response."""

    route: str
    """One of ``ROUTES``, or ``"other"``."""
    method: str
    path: str
    status: int | None
    """None if the request gets no response."""
    at: float
    """When the request was received, by the wall clock of the fake's ``clock``."""
    connection: int
    """The number of the connection, from 1."""
    parameters: Mapping[str, str] = MappingProxyType({})
    """The parameters of a service call in the order of the request. A secret is replaced by its length."""
    signed_for: SignedFor | None = None
    """None if the request is not signed."""


def parameters_of(request: FakeRequest, route: str) -> Mapping[str, str]:
    """Return the parameters of a service call in the order of the request. A secret is replaced by its length."""
    found: dict[str, str] = {}
    for name, value in _raw(request, route).items():
        if isinstance(value, dict):
            found.update({f"{name}.{key}": _length(str(text)) for key, text in value.items()})
        else:
            found[name] = str(value) if _NOT_SECRET.fullmatch(name) else _length(str(value))
    return MappingProxyType(found)


def signed_for(request: FakeRequest) -> SignedFor | None:
    """Return the credential scope of a request's signature; None if the request is not signed."""
    header = re.search(r"Credential=([^,\s]+)", request.header("authorization"))
    query = read_pairs(request.query) if "X-Amz-Credential=" in request.query else None
    match = _SCOPE.fullmatch(header[1] if header else (query or {}).get("X-Amz-Credential", ""))
    return SignedFor(*match.groups()) if match else None


def _raw(request: FakeRequest, route: str) -> Mapping[str, object]:
    if route == "sso role":
        return read_pairs(request.query) or {}
    if route in {"sso token", "sign-in token", "cognito id", "cognito credentials"}:
        return read_json(request) or {}
    return read_form(request) if route in {"assume role", "web identity", "caller identity"} else {}


def _length(text: str) -> str:
    return f"({len(text)} characters)"
