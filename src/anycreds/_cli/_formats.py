"""Credentials as text for shells and programs. Pure functions; everything that they return is secret.

``env`` and ``powershell`` also unset variables that SDKs prefer to these keys, or would combine with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from shlex import quote

from .._core.credentials import Credentials
from ._common import to_json

# The field of the credentials by variable.
_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_CREDENTIAL_EXPIRATION": "expiration",
    "AWS_ACCOUNT_ID": "account_id",
    "AWS_CREDENTIAL_SCOPE": "credential_scope",
}
# Some SDKs prefer these to the keys. Botocore reads the older name of the session token first. In the JavaScript SDK
# and in anycreds an explicitly selected profile takes precedence over keys; anycreds reads the older name of it, too.
_PREFERRED_TO_KEYS = ("AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
# Other variables by which SDKs find credentials.
_OTHERS = (
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
CREDENTIAL_VARIABLES = (*_VARIABLES, *_PREFERRED_TO_KEYS, *_OTHERS)
"""Every variable by which an AWS SDK finds credentials."""
# In PowerShell the typographic quotation marks end a string, too.
_POWERSHELL_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


def format_time(moment: datetime) -> str:
    """Return a time in the only format that every SDK reads: UTC, whole seconds, with a Z."""
    return f"{moment.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def variables(credentials: Credentials) -> dict[str, str]:
    """Return the environment variables for credentials."""
    values = {name: getattr(credentials, field) for name, field in _VARIABLES.items()}
    return {name: _text(value) for name, value in values.items() if value is not None}


def as_env(credentials: Credentials) -> str:
    """Return lines for a POSIX shell to evaluate."""
    return shell_lines(variables(credentials), (*_VARIABLES, *_PREFERRED_TO_KEYS))


def shell_lines(values: Mapping[str, str], others: tuple[str, ...]) -> str:
    """Return lines for a POSIX shell that set these variables and unset the others."""
    unset = [name for name in others if name not in values]
    lines = [f"export {name}={quote(value)}" for name, value in values.items()]
    return "\n".join([*lines, f"unset {' '.join(unset)}"] if unset else lines)


def as_powershell(credentials: Credentials) -> str:
    """Return lines for PowerShell to evaluate."""
    values = variables(credentials)
    lines = [f"$Env:{name} = {_powershell_quoted(value)}" for name, value in values.items()]
    lines += [f"$Env:{name} = $null" for name in (*_VARIABLES, *_PREFERRED_TO_KEYS) if name not in values]
    return "\n".join(lines)


def as_process(credentials: Credentials) -> str:
    """Return the output of a ``credential_process``.

    See: AWS SDKs and Tools, "Process credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """
    document = {
        "Version": 1,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "SessionToken": credentials.session_token,
        "Expiration": None if credentials.expiration is None else format_time(credentials.expiration),
        "AccountId": credentials.account_id,
        "CredentialScope": credentials.credential_scope,
    }
    return to_json({name: value for name, value in document.items() if value is not None}, indent=2)


def as_json(credentials: Credentials) -> str:
    """Return every field by its name, null if it is not set."""
    fields = {name: getattr(credentials, name) for name in type(credentials).__slots__}
    return to_json({name: None if value is None else _text(value) for name, value in fields.items()}, indent=2)


FORMATS: dict[str, Callable[[Credentials], str]] = {
    "process": as_process,
    "env": as_env,
    "json": as_json,
    "powershell": as_powershell,
}


def _text(value: str | datetime) -> str:
    return format_time(value) if isinstance(value, datetime) else value


def _powershell_quoted(value: str) -> str:
    return f"'{_POWERSHELL_QUOTES.sub(lambda quote: quote[0] * 2, value)}'"
