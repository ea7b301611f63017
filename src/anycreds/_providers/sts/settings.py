"""The settings of a role for the web identity token in a file: from options or from environment variables. Pure.

The default chain decides with this module alone whether anything is configured, so it must import nothing else.

See: AWS SDKs and Tools Reference Guide, "Assume role credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..._config.settings import Setting, first_set
from ..._core.errors import InvalidConfigurationError, NotConfiguredError

TOKEN_FILE_VARIABLE = "AWS_WEB_IDENTITY_TOKEN_FILE"
ROLE_VARIABLE = "AWS_ROLE_ARN"
SESSION_NAME_VARIABLE = "AWS_ROLE_SESSION_NAME"


class WebIdentityRole(NamedTuple):
    """A role to assume with the web identity token in a file."""

    token_file: Setting
    role_arn: Setting
    session_name: Setting | None


def no_token_file_error(source: str) -> NotConfiguredError:
    """Return the error if no web identity token file is set."""
    return NotConfiguredError(f"{TOKEN_FILE_VARIABLE} is not set", source=source)


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
        raise no_token_file_error(source)
    if role_arn is None:
        raise InvalidConfigurationError(
            f"a web identity token file is set ({token_file.origin}), but no role",
            source=source,
            hint=f"set {ROLE_VARIABLE} or the option role_arn",
        )
    return WebIdentityRole(token_file, role_arn, session_name or first_set(environ, SESSION_NAME_VARIABLE))
