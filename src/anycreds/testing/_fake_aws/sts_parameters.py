"""The parameters of the fake STS: which operation has which, and the allowed values of each.

See: "AssumeRole", "AssumeRoleWithWebIdentity" and "Common Error Types" in the AWS Security Token Service API reference
(https://docs.aws.amazon.com/STS/latest/APIReference/).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from .messages import FakeServiceError

VERSION = "2011-06-15"
_COMMON = frozenset({"Action", "Version"})
_SESSION = frozenset(
    {"RoleArn", "RoleSessionName", "Policy", "PolicyArns.arn", "DurationSeconds", "MinimumSessionTokenSize"}
)
_ALLOWED = {
    "AssumeRole": _SESSION
    | {"ExternalId", "SerialNumber", "TokenCode", "SourceIdentity", "TransitiveTagKeys"}
    | {"Tags.Key", "Tags.Value", "ProvidedContexts.ProviderArn", "ProvidedContexts.ContextAssertion"},
    "AssumeRoleWithWebIdentity": _SESSION | {"WebIdentityToken", "ProviderId"},
    "GetCallerIdentity": frozenset(),
}
_REQUIRED = ("RoleArn", "RoleSessionName", "WebIdentityToken")  # of the operations that have them


class _Limits(NamedTuple):
    minimum: int
    maximum: int
    pattern: str | None = None


_LETTERS = r"\p{L}\p{Z}\p{N}_"  # as in AWS's patterns; in Python it is \w\s
_TAG = rf"[{_LETTERS}.:/=+\-@]"
_LIMITS = {
    "RoleArn": _Limits(20, 2048),
    "RoleSessionName": _Limits(2, 64, r"[\w+=,.@-]*"),
    "ExternalId": _Limits(2, 1224, r"[\w+=,.@:\/-]*"),
    "SerialNumber": _Limits(9, 256, r"[\w+=/:,.@-]*"),
    "TokenCode": _Limits(6, 6, r"[\d]*"),
    "SourceIdentity": _Limits(2, 64, r"[\w+=,.@-]*"),
    "Policy": _Limits(1, 10_000),  # AWS limits the packed size, which this length always exceeds
    "WebIdentityToken": _Limits(4, 20_000),
    "ProviderId": _Limits(4, 2048),
    "PolicyArns.arn": _Limits(20, 2048),
    "TransitiveTagKeys": _Limits(1, 128, _TAG + "+"),
    "Tags.Key": _Limits(1, 128, _TAG + "+"),
    "Tags.Value": _Limits(0, 256, _TAG + "*"),
    "DurationSeconds": _Limits(900, 43_200),
    "MinimumSessionTokenSize": _Limits(0, 4096),
}
_NUMBERS = frozenset({"DurationSeconds", "MinimumSessionTokenSize"})
_MAX_LIST_LENGTHS = {"PolicyArns": 10, "Tags": 50, "TransitiveTagKeys": 50, "ProvidedContexts": 5}
_SENSITIVE = frozenset({"TokenCode", "WebIdentityToken"})  # an error message must not contain them
_MEMBER = re.compile(r"(\w+)\.member\.([1-9][0-9]{0,3})((?:\.\w+)?)")


def check_names(form: Mapping[str, str]) -> None:
    """Check operation and parameter names, which AWS does before the signature. Raises ``FakeServiceError``."""
    if "Action" not in form:
        raise FakeServiceError(400, "MissingAction", "Missing Action")
    if form["Action"] not in _ALLOWED or form.get("Version") != VERSION:
        message = f"Could not find operation {form['Action']} for version {form.get('Version', 'NO_VERSION_SPECIFIED')}"
        raise FakeServiceError(400, "InvalidAction", message)
    if unknown := [name for name in form if not _is_known(form, name)]:
        raise FakeServiceError(400, "InvalidQueryParameter", f"The parameter {unknown[0]} is not recognized")


def check_values(form: Mapping[str, str]) -> None:
    """Check the values of all parameters, which AWS does after the signature. Raises ``FakeServiceError``."""
    for name in _REQUIRED:
        if name in _ALLOWED[form["Action"]] and name not in form:
            raise _invalid("null", name, "Member must not be null")
    for name, value in form.items():
        _check_value(name, value)
    _check_lists(form)
    _check_policy(form)
    _check_tags(form)


def _members(form: Mapping[str, str], name: str) -> list[str]:
    """Return the values of a list in order: ``Tags.Key``, ``TransitiveTagKeys``."""
    matches = ((_MEMBER.fullmatch(key), value) for key, value in form.items())
    return [value for _, value in sorted((int(m[2]), value) for m, value in matches if m and m[1] + m[3] == name)]


def _base(name: str) -> str:
    """Return the name of a parameter without its list index."""
    return match[1] + match[3] if (match := _MEMBER.fullmatch(name)) else name


def _is_known(form: Mapping[str, str], name: str) -> bool:
    allowed, base = _ALLOWED[form["Action"]], _base(name)
    if name in _MAX_LIST_LENGTHS:  # an empty list is sent as its name alone
        return form[name] == "" and any(parameter.partition(".")[0] == name for parameter in allowed)
    is_list, is_member = base.partition(".")[0] in _MAX_LIST_LENGTHS, base != name
    return name in _COMMON or (base in allowed and is_member == is_list)


def _check_value(name: str, value: str) -> None:
    limits = _LIMITS.get(_base(name))
    if limits is None or name in _MAX_LIST_LENGTHS:
        return
    is_number = name in _NUMBERS
    if is_number and not re.fullmatch(r"-?[0-9]{1,9}", value):
        raise FakeServiceError(400, "MalformedInput", f"{name} is not an integer")
    shown = "***" if name in _SENSITIVE else f"'{value}'"
    kind, size = ("value", int(value)) if is_number else ("length", len(value))
    if size < limits.minimum:
        raise _invalid(shown, name, f"Member must have {kind} greater than or equal to {limits.minimum}")
    if size > limits.maximum:
        raise _invalid(shown, name, f"Member must have {kind} less than or equal to {limits.maximum}")
    if limits.pattern is not None and not _matches(limits.pattern, value):
        raise _invalid(shown, name, f"Member must satisfy regular expression pattern: {limits.pattern}")


def _matches(pattern: str, value: str) -> bool:
    flags = 0 if _LETTERS in pattern else re.ASCII  # \w matches only ASCII letters in Java
    return re.fullmatch(pattern.replace(_LETTERS, r"\w\s"), value, flags) is not None


def _check_lists(form: Mapping[str, str]) -> None:
    indexes: dict[str, set[int]] = {}
    for name in form:
        if match := _MEMBER.fullmatch(name):
            indexes.setdefault(match[1], set()).add(int(match[2]))
    for name, found in indexes.items():
        if found != set(range(1, len(found) + 1)):
            message = f"the members of {name} are not numbered from 1 without gaps"
            raise FakeServiceError(400, "MalformedInput", message)
        if len(found) > _MAX_LIST_LENGTHS[name]:
            constraint = f"Member must have length less than or equal to {_MAX_LIST_LENGTHS[name]}"
            raise _invalid(f"a list of {len(found)}", name, constraint)


def _check_policy(form: Mapping[str, str]) -> None:
    try:
        is_object = isinstance(json.loads(form.get("Policy", "{}")), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise FakeServiceError(400, "MalformedPolicyDocument", "This policy contains invalid Json")


def _check_tags(form: Mapping[str, str]) -> None:
    keys, values = _members(form, "Tags.Key"), _members(form, "Tags.Value")
    if len(keys) != len(values):
        raise _invalid("null", "tags.1.member.value", "Member must not be null")
    if len({key.lower() for key in keys}) != len(keys):
        message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise FakeServiceError(400, "InvalidParameterValue", message)
    if not set(_members(form, "TransitiveTagKeys")) <= set(keys):
        message = "The specified transitive tag key must be included in the requested tags."
        raise FakeServiceError(400, "ValidationError", message)


def _invalid(shown: str, name: str, constraint: str) -> FakeServiceError:
    member = name[:1].lower() + name[1:]
    message = f"Value {shown} at '{member}' failed to satisfy constraint: {constraint}"
    return FakeServiceError(400, "ValidationError", f"1 validation error detected: {message}")
