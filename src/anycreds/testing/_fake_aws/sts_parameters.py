"""The forms that STS takes: which parameters there are, and what each may hold.

Follows the AWS Security Token Service API reference, "AssumeRole", "AssumeRoleWithWebIdentity", "Common Error Types".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from .messages import Refusal

VERSION = "2011-06-15"
_COMMON = frozenset({"Action", "Version"})
_SESSION = frozenset({"RoleArn", "RoleSessionName", "Policy", "DurationSeconds", "MinimumSessionTokenSize"})
_LISTS = frozenset({"PolicyArns.arn"})
_ALLOWED = {
    "AssumeRole": _SESSION
    | {"ExternalId", "SerialNumber", "TokenCode", "SourceIdentity", "TransitiveTagKeys"}
    | {"Tags.Key", "Tags.Value", "ProvidedContexts.ProviderArn", "ProvidedContexts.ContextAssertion"}
    | _LISTS,
    "AssumeRoleWithWebIdentity": _SESSION | {"WebIdentityToken", "ProviderId"} | _LISTS,
    "GetCallerIdentity": frozenset(),
}
OPERATIONS = tuple(_ALLOWED)
_REQUIRED = {
    "AssumeRole": ("RoleArn", "RoleSessionName"),
    "AssumeRoleWithWebIdentity": ("RoleArn", "RoleSessionName", "WebIdentityToken"),
    "GetCallerIdentity": (),
}


class _Limits(NamedTuple):
    least: int
    most: int
    pattern: str | None = None


_LETTERS = r"\p{L}\p{Z}\p{N}_"  # as AWS writes it; for Python that is \w and \s
_TAG = rf"[{_LETTERS}.:/=+\-@]"
_TEXTS = {
    "RoleArn": _Limits(20, 2048),
    "RoleSessionName": _Limits(2, 64, r"[\w+=,.@-]*"),
    "ExternalId": _Limits(2, 1224, r"[\w+=,.@:\/-]*"),
    "SerialNumber": _Limits(9, 256, r"[\w+=/:,.@-]*"),
    "TokenCode": _Limits(6, 6, r"[\d]*"),
    "SourceIdentity": _Limits(2, 64, r"[\w+=,.@-]*"),
    "Policy": _Limits(1, 10_000),  # AWS counts the packed size; this is beyond what fits in any case
    "WebIdentityToken": _Limits(4, 20_000),
    "ProviderId": _Limits(4, 2048),
    "PolicyArns.arn": _Limits(20, 2048),
    "TransitiveTagKeys": _Limits(1, 128, _TAG + "+"),
    "Tags.Key": _Limits(1, 128, _TAG + "+"),
    "Tags.Value": _Limits(0, 256, _TAG + "*"),
}
_NUMBERS = {"DurationSeconds": _Limits(900, 43_200), "MinimumSessionTokenSize": _Limits(0, 4096)}
_LONGEST_LISTS = {"PolicyArns": 10, "Tags": 50, "TransitiveTagKeys": 50, "ProvidedContexts": 5}
_SENSITIVE = frozenset({"TokenCode", "WebIdentityToken"})  # an error must not repeat them
_MEMBER = re.compile(r"(\w+)\.member\.([1-9][0-9]{0,3})((?:\.\w+)?)")


def form_refusal(form: Mapping[str, str]) -> Refusal | None:
    """Say why a form is refused before anybody asks who sent it; None: it is not."""
    if "Action" not in form:
        return Refusal(400, "MissingAction", "Missing Action")
    if form["Action"] not in _ALLOWED or form.get("Version") != VERSION:
        message = f"Could not find operation {form['Action']} for version {form.get('Version', 'NO_VERSION_SPECIFIED')}"
        return Refusal(400, "InvalidAction", message)
    unknown = [name for name in form if not _is_known(form, name)]
    if unknown:
        return Refusal(400, "InvalidQueryParameter", f"The parameter {unknown[0]} is not recognized")
    return None


def value_refusal(form: Mapping[str, str]) -> Refusal | None:
    """Say what in a form is no valid value; None: nothing. AWS looks at this when it knows who asks."""
    for name in _REQUIRED[form["Action"]]:
        if name not in form:
            return _invalid("null", name, "Member must not be null")
    for name, value in form.items():
        if (refusal := _text(name, value) or _number(name, value)) is not None:
            return refusal
    return _lists(form) or _policy(form) or _tags(form)


def members(form: Mapping[str, str], name: str) -> list[str]:
    """Return the values of a list in order: ``Tags.Key``, ``TransitiveTagKeys``."""
    matches = ((_MEMBER.fullmatch(key), value) for key, value in form.items())
    return [value for _, value in sorted((int(m[2]), value) for m, value in matches if m and m[1] + m[3] == name)]


def _base(name: str) -> str:
    """Return the name of a parameter without its place in a list."""
    return match[1] + match[3] if (match := _MEMBER.fullmatch(name)) else name


def _is_known(form: Mapping[str, str], name: str) -> bool:
    allowed = _ALLOWED[form["Action"]]
    if name in _LONGEST_LISTS:  # a list without members is sent by its name alone
        return form[name] == "" and any(one.partition(".")[0] == name for one in allowed)
    is_member = _base(name) != name
    return name in _COMMON or (
        _base(name) in allowed and is_member == (_base(name).partition(".")[0] in _LONGEST_LISTS)
    )


def _text(name: str, value: str) -> Refusal | None:
    limits = _TEXTS.get(_base(name))
    if limits is None or name in _LONGEST_LISTS:
        return None
    shown = "***" if name in _SENSITIVE else f"'{value}'"
    if len(value) < limits.least:
        return _invalid(shown, name, f"Member must have length greater than or equal to {limits.least}")
    if len(value) > limits.most:
        return _invalid(shown, name, f"Member must have length less than or equal to {limits.most}")
    if limits.pattern is not None and not _matches(limits.pattern, value):
        return _invalid(shown, name, f"Member must satisfy regular expression pattern: {limits.pattern}")
    return None


def _matches(pattern: str, value: str) -> bool:
    flags = 0 if _LETTERS in pattern else re.ASCII  # Java's \w knows ASCII letters only
    return re.fullmatch(pattern.replace(_LETTERS, r"\w\s"), value, flags) is not None


def _number(name: str, value: str) -> Refusal | None:
    if (limits := _NUMBERS.get(name)) is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,9}", value):
        return Refusal(400, "MalformedInput", f"{name} is not an integer")
    if int(value) < limits.least:
        return _invalid(f"'{value}'", name, f"Member must have value greater than or equal to {limits.least}")
    if int(value) > limits.most:
        return _invalid(f"'{value}'", name, f"Member must have value less than or equal to {limits.most}")
    return None


def _lists(form: Mapping[str, str]) -> Refusal | None:
    places: dict[str, set[int]] = {}
    for name in form:
        if match := _MEMBER.fullmatch(name):
            places.setdefault(match[1], set()).add(int(match[2]))
    for name, taken in places.items():
        if taken != set(range(1, len(taken) + 1)):
            return Refusal(400, "MalformedInput", f"the members of {name} are not numbered from 1 without gaps")
        if len(taken) > _LONGEST_LISTS[name]:
            said = f"Member must have length less than or equal to {_LONGEST_LISTS[name]}"
            return _invalid(f"a list of {len(taken)}", name, said)
    return None


def _policy(form: Mapping[str, str]) -> Refusal | None:
    try:
        known = isinstance(json.loads(form.get("Policy", "{}")), dict)
    except (ValueError, RecursionError):
        known = False
    return None if known else Refusal(400, "MalformedPolicyDocument", "This policy contains invalid Json")


def _tags(form: Mapping[str, str]) -> Refusal | None:
    keys, values = members(form, "Tags.Key"), members(form, "Tags.Value")
    if len(keys) != len(values):
        return _invalid("null", "tags.1.member.value", "Member must not be null")
    if len({key.lower() for key in keys}) != len(keys):
        said = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        return Refusal(400, "InvalidParameterValue", said)
    if not set(members(form, "TransitiveTagKeys")) <= set(keys):
        said = "The specified transitive tag key must be included in the requested tags."
        return Refusal(400, "ValidationError", said)
    return None


def _invalid(shown: str, name: str, constraint: str) -> Refusal:
    place = name[:1].lower() + name[1:]
    said = f"1 validation error detected: Value {shown} at '{place}' failed to satisfy constraint: {constraint}"
    return Refusal(400, "ValidationError", said)
