"""STS: the bodies of the requests for the credentials of a role, in the form of the query protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

VERSION = "2011-06-15"
FORM_TYPE = "application/x-www-form-urlencoded"
# In the order of JavaScript, so that the requests of both can be compared as text.
_ROLE = (
    "RoleArn",
    "RoleSessionName",
    "PolicyArns",
    "Policy",
    "DurationSeconds",
    "Tags",
    "TransitiveTagKeys",
    "ExternalId",
    "SerialNumber",
    "TokenCode",
    "SourceIdentity",
    "ProvidedContexts",
)
_WEB_IDENTITY = (
    "RoleArn",
    "RoleSessionName",
    "WebIdentityToken",
    "ProviderId",
    "PolicyArns",
    "Policy",
    "DurationSeconds",
)
# What the members of lists have. Those of TransitiveTagKeys are plain text.
_MEMBERS = {"PolicyArns": ("arn",), "Tags": ("Key", "Value"), "ProvidedContexts": ("ProviderArn", "ContextAssertion")}


def assume_role_form(params: Mapping[str, object]) -> bytes:
    """Return the body that asks for AssumeRole. ``params`` has STS's names; None and empty lists are left out.

    Their types were checked before. Follows the AWS Security Token Service API Reference, page "AssumeRole".
    """
    return _form("AssumeRole", _ROLE, params)


def web_identity_form(params: Mapping[str, object]) -> bytes:
    """Return the body that asks for AssumeRoleWithWebIdentity, which is not signed. ``params`` as for AssumeRole.

    Follows the AWS Security Token Service API Reference, page "AssumeRoleWithWebIdentity".
    """
    return _form("AssumeRoleWithWebIdentity", _WEB_IDENTITY, params)


def _form(action: str, order: tuple[str, ...], params: Mapping[str, object]) -> bytes:
    from urllib.parse import quote  # only here: programs that ask no STS never load it through us

    pairs = [("Action", action), ("Version", VERSION)]
    pairs += [pair for name in order for pair in _flat(name, params.get(name))]
    # What is no UTF-8 goes out as it is and is refused there: an error from here would have the value in it.
    return "&".join(f"{name}={quote(text, safe='', errors='surrogatepass')}" for name, text in pairs).encode()


def _flat(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Give the fields of the form for one parameter."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            if isinstance(item, Mapping):
                for key in _MEMBERS[name]:
                    yield from _flat(f"{name}.member.{number}.{key}", item.get(key))
            else:
                yield from _flat(f"{name}.member.{number}", item)
    elif value is not None:
        yield name, str(value)
