"""What is noted about a request, for tests to look at: its parameters without secrets, and for what it was signed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from .messages import Asked, read_json, read_pairs
from .sts import form_of

_SHOWN = re.compile(
    r"Action|Version|RoleArn|RoleSessionName|Policy|DurationSeconds|ExternalId|SerialNumber|SourceIdentity|ProviderId"
    r"|MinimumSessionTokenSize|(PolicyArns|Tags|TransitiveTagKeys)(\..*)?|ProvidedContexts(\..*ProviderArn)?"
    r"|account_id|role_name|grantType|clientId|AccountId|IdentityPoolId|IdentityId|CustomRoleArn"
)
_SCOPE = re.compile(r"Credential=([^/,\s]+)/[^/,\s]*/([^/,\s]*)/([^/,\s]*)/")
_QUERY_SCOPE = re.compile(r"([^/]+)/[^/]*/([^/]*)/([^/]*)/[^/]*")

NOTHING: Mapping[str, str] = MappingProxyType({})


class SignedFor(NamedTuple):
    """What the signature of a request names. Nothing in it was checked."""

    access_key_id: str
    region: str
    service: str


def parameters_of(asked: Asked, route: str) -> Mapping[str, str]:
    """Return the parameters of a request to a service, in the order in which they came; of secrets the length only."""
    found: dict[str, str] = {}
    for name, value in _raw(asked, route).items():
        if isinstance(value, dict):
            found.update({f"{name}.{one}": _length(str(text)) for one, text in value.items()})
        else:
            found[name] = str(value) if _SHOWN.fullmatch(name) else _length(str(value))
    return MappingProxyType(found) if found else NOTHING


def signed_for(asked: Asked) -> SignedFor | None:
    """Return what the signature of a request names; None: it is not signed."""
    if match := _SCOPE.search(asked.header("authorization")):
        return SignedFor(*match.groups())
    if "X-Amz-Credential=" in asked.query:
        credential = (read_pairs(asked.query) or {}).get("X-Amz-Credential", "")
        if match := _QUERY_SCOPE.fullmatch(credential):
            return SignedFor(*match.groups())
    return None


def _raw(asked: Asked, route: str) -> Mapping[str, object]:
    if route == "sso role":
        return read_pairs(asked.query) or {}
    if route in {"sso token", "sign-in token", "cognito id", "cognito credentials"}:
        return read_json(asked) or {}
    return form_of(asked) if route in {"assume role", "web identity", "caller identity"} else {}


def _length(text: str) -> str:
    return f"({len(text)} characters)"
