"""The bodies of the requests for the credentials of a role, in AWS's query protocol. Pure.

See: AWS Security Token Service API Reference, "AssumeRole" and "AssumeRoleWithWebIdentity",
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

VERSION = "2011-06-15"
FORM_TYPE = "application/x-www-form-urlencoded"
# In the order of the JavaScript SDK, so that the requests of both can be compared as text.
_ASSUME_ROLE = (
    "RoleArn", "RoleSessionName", "PolicyArns", "Policy", "DurationSeconds", "Tags", "TransitiveTagKeys", "ExternalId",
    "SerialNumber", "TokenCode", "SourceIdentity", "ProvidedContexts",
)  # fmt: skip
_ASSUME_ROLE_WITH_WEB_IDENTITY = (
    "RoleArn", "RoleSessionName", "WebIdentityToken", "ProviderId", "PolicyArns", "Policy", "DurationSeconds",
)  # fmt: skip
# The fields of the members of lists. Those of TransitiveTagKeys are plain text.
_MEMBERS = {"PolicyArns": ("arn",), "Tags": ("Key", "Value"), "ProvidedContexts": ("ProviderArn", "ContextAssertion")}


def assume_role_form(params: Mapping[str, object]) -> bytes:
    """Return the body of a request for AssumeRole with validated parameters. None and empty lists are omitted."""
    return _form("AssumeRole", _ASSUME_ROLE, params)


def web_identity_form(params: Mapping[str, object]) -> bytes:
    """Return the body of a request for AssumeRoleWithWebIdentity. See ``assume_role_form``."""
    return _form("AssumeRoleWithWebIdentity", _ASSUME_ROLE_WITH_WEB_IDENTITY, params)


def _form(action: str, order: tuple[str, ...], params: Mapping[str, object]) -> bytes:
    pairs = [("Action", action), ("Version", VERSION)]
    pairs += [pair for name in order for pair in _flat(name, params.get(name))]
    # STS rejects what is not UTF-8. An error of ``quote`` would contain the value, which can be a secret.
    return "&".join(f"{name}={quote(text, safe='', errors='surrogatepass')}" for name, text in pairs).encode()


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the fields of the form for one parameter."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            if isinstance(item, Mapping):
                for key in _MEMBERS[name]:
                    yield from _flat(f"{name}.member.{number}.{key}", item.get(key))
            else:
                yield from _flat(f"{name}.member.{number}", item)
    elif value is not None:
        yield name, str(value)
