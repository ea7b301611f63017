"""What a role is to be assumed with, checked before anything is asked: parameters in the names of the STS API.

Of ARNs and names only that they are text: their formats belong to AWS. How long a session may be is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..._config.settings import Setting, first
from ..._core.credentials import InvalidReason, invalid_reason
from ..._core.errors import InvalidConfigurationError, NotConfiguredError

Params: TypeAlias = Mapping[str, Any]
"""Parameters of AssumeRole or AssumeRoleWithWebIdentity, such as ``RoleArn``. Of them, assertions are secrets."""

# Seconds, as the API reference of AssumeRole has them.
SHORTEST_SESSION = 900
LONGEST_SESSION = 43_200
LONGEST_CHAINED_SESSION = 3600

LONGEST_TOKEN = 20_000  # characters of a web identity token, as the API reference has it

TOKEN_FILE_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
ROLE_VARIABLE = "AWS_ROLE_ARN"
SESSION_NAME_VARIABLE = "AWS_ROLE_SESSION_NAME"


class WebIdentityRole(NamedTuple):
    """A role, and the file with the token that it is assumed with."""

    token_file: Setting
    role_arn: Setting
    session_name: Setting | None


def params_of(values: Mapping[str, object], source: str) -> Params | InvalidConfigurationError:
    """Return the parameters that are given, in the API's form, or what is wrong with one of them.

    ``values`` has the API's names; None is not given. Lists of ARNs are texts here, tags a mapping.
    """
    params: dict[str, Any] = {}
    for name, value in values.items():
        if value is None:
            continue
        read = _READERS.get(name, _text)(value)
        if isinstance(read, InvalidReason):
            return InvalidConfigurationError(f"{name} {read}", source=source)
        if read != []:
            params[name] = read
    return params


def duration_problem(seconds: float) -> str | None:
    """Say why a session cannot be so long; None: it can, unless its role says otherwise."""
    if not SHORTEST_SESSION <= seconds <= LONGEST_SESSION or seconds != int(seconds):
        told = f"{seconds:g} s" if abs(seconds) < 1e9 else "no such time"  # an int may be too long to be written
        return f"is {told}; a session is {SHORTEST_SESSION} to {LONGEST_SESSION} whole seconds long"
    return None


def no_codes(told: str) -> str:
    """Say that a role needs a code, and nobody can be asked for one."""
    return f"{told} needs a code of the MFA device, and there is no mfa_code_provider to ask for it"


def web_identity_role(
    environ: Mapping[str, str],
    token_file: Setting | None,
    role_arn: Setting | None,
    session_name: Setting | None,
    source: str,
) -> WebIdentityRole | NotConfiguredError | InvalidConfigurationError:
    """Take each of the three from its option, else from its variable.

    A role alone is nothing: many programs set it for purposes of their own. A token file alone is half of something.
    """
    token_file = token_file or first(environ, TOKEN_FILE_VARIABLE)
    role_arn = role_arn or first(environ, ROLE_VARIABLE)
    if token_file is None:
        return NotConfiguredError(f"{TOKEN_FILE_VARIABLE} is not set", source=source)
    if role_arn is None:
        return InvalidConfigurationError(
            f"a web identity token file is named by {token_file.origin}, but no role",
            source=source,
            hint=f"set {ROLE_VARIABLE}, too, or the option role_arn",
        )
    return WebIdentityRole(token_file, role_arn, session_name or first(environ, SESSION_NAME_VARIABLE))


def _text(value: object) -> str | InvalidReason:
    problem = invalid_reason(value)
    return InvalidReason(problem) if problem else str(value)


def _seconds(value: object) -> int | InvalidReason:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return InvalidReason(f"is not a number of seconds but {type(value).__name__}")
    problem = duration_problem(value)
    return InvalidReason(problem) if problem else int(value)


def _texts(value: object) -> list[str] | InvalidReason:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return InvalidReason(f"is not a list of texts but {type(value).__name__}")
    for one in value:
        if problem := invalid_reason(one):
            return InvalidReason(f"has a text that {problem}")
    return list(value)


def _arns(value: object) -> list[dict[str, str]] | InvalidReason:
    read = _texts(value)
    return read if isinstance(read, InvalidReason) else [{"arn": arn} for arn in read]


def _tags(value: object) -> list[dict[str, str]] | InvalidReason:
    pairs = _pairs(value)
    return pairs if isinstance(pairs, InvalidReason) else [{"Key": key, "Value": tag} for key, tag in pairs]


def _contexts(value: object) -> list[dict[str, str]] | InvalidReason:
    pairs = _pairs(value)
    if isinstance(pairs, InvalidReason):
        return pairs
    return [{"ProviderArn": arn, "ContextAssertion": assertion} for arn, assertion in pairs]


def _pairs(value: object) -> list[tuple[str, str]] | InvalidReason:
    if not isinstance(value, Mapping):
        return InvalidReason(f"is not a mapping of texts but {type(value).__name__}")
    for key, text in value.items():
        # The value of a tag may be empty, its key may not.
        if problem := invalid_reason(key) or (invalid_reason(text) if text != "" else None):
            return InvalidReason(f"has a text that {problem}")
    return list(value.items())


_READERS = {
    "DurationSeconds": _seconds,
    "PolicyArns": _arns,
    "ProvidedContexts": _contexts,
    "Tags": _tags,
    "TransitiveTagKeys": _texts,
}
