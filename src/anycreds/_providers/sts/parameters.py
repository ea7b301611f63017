"""The parameters of AssumeRole and AssumeRoleWithWebIdentity, validated before any request. Pure.

Parameters have the names of the STS API. ARNs and names are only checked to be text, because AWS may extend their
formats. The limits of the duration are documented.

See: AWS STS API reference, "AssumeRole", https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..._config.settings import Setting, first_set
from ..._core.errors import InvalidConfigurationError, NotConfiguredError
from ..._core.validation import InvalidValueError, check_text

Params: TypeAlias = Mapping[str, Any]
"""Parameters of AssumeRole or AssumeRoleWithWebIdentity, such as ``RoleArn``. ``ProvidedContexts`` has secrets."""

# Seconds, from the API reference of AssumeRole.
SHORTEST_SESSION = 900
LONGEST_SESSION = 43_200
LONGEST_CHAINED_SESSION = 3600

LONGEST_TOKEN = 20_000  # characters of a web identity token, from the API reference

TOKEN_FILE_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
ROLE_VARIABLE = "AWS_ROLE_ARN"
SESSION_NAME_VARIABLE = "AWS_ROLE_SESSION_NAME"


class WebIdentityRole(NamedTuple):
    """A role to assume with the web identity token in a file."""

    token_file: Setting
    role_arn: Setting
    session_name: Setting | None


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


def web_identity_role(
    environ: Mapping[str, str],
    token_file: Setting | None,
    role_arn: Setting | None,
    session_name: Setting | None,
    source: str,
) -> WebIdentityRole:
    """Return the role, with each of the three settings from its option, otherwise from its variable.

    A role without a token file is not a configuration: many programs set the variable for other purposes.
    """
    token_file = token_file or first_set(environ, TOKEN_FILE_VARIABLE)
    role_arn = role_arn or first_set(environ, ROLE_VARIABLE)
    if token_file is None:
        raise NotConfiguredError(f"{TOKEN_FILE_VARIABLE} is not set", source=source)
    if role_arn is None:
        raise InvalidConfigurationError(
            f"a web identity token file is set ({token_file.origin}), but no role",
            source=source,
            hint=f"set {ROLE_VARIABLE} or the option role_arn",
        )
    return WebIdentityRole(token_file, role_arn, session_name or first_set(environ, SESSION_NAME_VARIABLE))


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
