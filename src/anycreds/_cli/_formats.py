"""A set of credentials as text for shells and programs. Pure; and all of it is secret.

``env`` and ``powershell`` also remove what would come before these keys, or be mistaken for a part of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from .._core.credentials import Credentials

# By variable, the field that it carries.
_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_CREDENTIAL_EXPIRATION": "expiration",
    "AWS_ACCOUNT_ID": "account_id",
    "AWS_CREDENTIAL_SCOPE": "credential_scope",
}
# What every SDK, or some, would take instead: the first is the older name of the session token, which botocore reads
# first; a profile that is named beats keys in JavaScript and here.
_BEFORE_KEYS = ("AWS_SECURITY_TOKEN", "AWS_PROFILE")
# What else says who somebody is.
_OTHERS = (
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
IDENTITY_VARIABLES = (*_VARIABLES, *_BEFORE_KEYS, *_OTHERS)
"""Every variable by which some SDK finds credentials."""
# PowerShell takes the typographic quotation marks for its own.
_POWERSHELL_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


def time(moment: datetime) -> str:
    """Return a time in the only form that every SDK reads: UTC, whole seconds, with a Z."""
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def variables(credentials: Credentials) -> dict[str, str]:
    """Return the variables that carry a set."""
    found = {name: getattr(credentials, field) for name, field in _VARIABLES.items()}
    return {name: _text(value) for name, value in found.items() if value is not None}


def as_env(credentials: Credentials) -> str:
    """Return lines for a POSIX shell to evaluate."""
    return shell_lines(variables(credentials), (*_VARIABLES, *_BEFORE_KEYS))


def shell_lines(values: Mapping[str, str], others: tuple[str, ...]) -> str:
    """Return lines that set these variables and remove the others."""
    from shlex import quote

    unset = [name for name in others if name not in values]
    lines = [f"export {name}={quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, f"unset {' '.join(unset)}"] if unset else lines)


def as_powershell(credentials: Credentials) -> str:
    """Return lines for PowerShell to evaluate."""
    values = variables(credentials)
    lines = [f"$Env:{name} = {_powershell_quoted(value)}" for name, value in values.items()]
    lines += [f"$Env:{name} = $null" for name in (*_VARIABLES, *_BEFORE_KEYS) if name not in values]
    return "\n".join(lines)


def as_process(credentials: Credentials) -> str:
    """Return what a ``credential_process`` prints.

    Follows the AWS "SDKs and Tools" reference, page "Process credential provider".
    """
    document = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": None if credentials.expiration is None else time(credentials.expiration),
        "AccountId": credentials.account_id,
        "CredentialScope": credentials.credential_scope,
    }
    return _json({name: value for name, value in document.items() if value is not None})


def as_json(credentials: Credentials) -> str:
    """Return every field of the set by its name, null where there is none."""
    fields = {name: getattr(credentials, name) for name in type(credentials).__slots__}
    return _json({name: None if value is None else _text(value) for name, value in fields.items()})


FORMATS: dict[str, Callable[[Credentials], str]] = {
    "process": as_process,
    "env": as_env,
    "json": as_json,
    "powershell": as_powershell,
}


def _text(value: str | datetime) -> str:
    return time(value) if isinstance(value, datetime) else value


def _powershell_quoted(value: str) -> str:
    return f"'{_POWERSHELL_QUOTES.sub(lambda found: found[0] * 2, value)}'"


def _json(document: Mapping[str, object]) -> str:
    import json

    return json.dumps(document, indent=2)
