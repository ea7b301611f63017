"""The parameters of AssumeRole and AssumeRoleWithWebIdentity, validated before any request. Pure.

Parameters have the names of the STS API. ARNs and names are only checked to be text, because AWS may extend their
formats. The limits of the duration are documented.

See: AWS STS API reference, "AssumeRole", https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..._core.errors import InvalidConfigurationError
from ..._core.validation import InvalidValueError, check_text

Params: TypeAlias = Mapping[str, Any]
"""Parameters of AssumeRole or AssumeRoleWithWebIdentity, such as ``RoleArn``. ``ProvidedContexts`` has secrets."""

# Seconds, from the API reference of AssumeRole.
SHORTEST_SESSION = 900
LONGEST_SESSION = 43_200
LONGEST_CHAINED_SESSION = 3600

LONGEST_TOKEN = 20_000  # characters of a web identity token, from the API reference


def sts_parameters(values: Mapping[str, object], source: str) -> Params:
    """Return the parameters that are given, by their name in the API, in its form; those that are None are omitted.

    An error contains the name of a parameter, not its value.
    """
    params: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        try:
            converted = _CONVERTERS.get(name, check_text)(value)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"{name} {error}", source=source) from None
        if converted != []:
            params[name] = converted
    return params


def check_duration(seconds: float) -> int:
    """Return the duration of a session in whole seconds. A role may have a lower limit than this checks."""
    if not SHORTEST_SESSION <= seconds <= LONGEST_SESSION or seconds != int(seconds):
        given = f"{seconds:g} s" if abs(seconds) < 1e9 else "out of range"  # an int may be too long to be displayed
        raise InvalidValueError(f"is {given}; expected {SHORTEST_SESSION} to {LONGEST_SESSION} whole seconds")
    return int(seconds)


def _seconds(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidValueError(f"is not a number of seconds but {type(value).__name__}")
    return check_duration(value)


def _texts(value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidValueError(f"is not a list of texts but {type(value).__name__}")
    return [check_text(text, field="contains a text that") for text in value]


def _arns(value: object) -> list[dict[str, str]]:
    return [{"arn": arn} for arn in _texts(value)]


def _tags(value: object) -> list[dict[str, str]]:
    return [{"Key": key, "Value": tag} for key, tag in _pairs(value)]


def _contexts(value: object) -> list[dict[str, str]]:
    return [{"ProviderArn": arn, "ContextAssertion": assertion} for arn, assertion in _pairs(value)]


def _pairs(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, Mapping):
        raise InvalidValueError(f"is not a mapping of texts but {type(value).__name__}")
    for key, text in value.items():
        check_text(key, field="contains a text that")
        if text != "":  # the value of a tag may be empty
            check_text(text, field="contains a text that")
    return list(value.items())


_CONVERTERS: Mapping[str, Callable[[object], Any]] = {
    "DurationSeconds": _seconds,
    "PolicyArns": _arns,
    "ProvidedContexts": _contexts,
    "Tags": _tags,
    "TransitiveTagKeys": _texts,
}
