"""Factories for what is on this machine: environment variables, shared files, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.provider import Provider
from .._providers.environment import EnvironmentProvider
from . import lazy
from .runtime import RUNTIME

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer


def from_env(*, environ: Mapping[str, str] | None = None) -> Provider:
    """Get credentials from environment variables, read anew at every call.

    ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` are needed; ``AWS_SESSION_TOKEN``, ``AWS_ACCOUNT_ID``,
    ``AWS_CREDENTIAL_SCOPE`` and ``AWS_CREDENTIAL_EXPIRATION`` (RFC 3339) are taken if set. ``environ`` stands in for
    the process's environment. Follows the AWS "SDKs and Tools" reference, page "AWS access keys".

    Awaiting it raises ``NotConfiguredError`` if neither key is set, ``InvalidConfigurationError`` if one is missing or
    a value cannot be right, ``RetrievalError`` if the set has ended.
    """
    return EnvironmentProvider(RUNTIME, environ)


def from_ini(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
    timeout: float | None = None,
) -> Provider:
    """Get the credentials of a profile in the shared config and credentials files, whatever kind it is.

    Keys, roles (``source_profile`` and ``credential_source``, chained to any depth), web identity, commands, SSO and
    ``aws login``. ``profile`` is its name; by default that of ``AWS_PROFILE``, else ``default``. ``filepath`` is the
    credentials file, ``config_filepath`` the config file, instead of ``AWS_SHARED_CREDENTIALS_FILE`` and
    ``AWS_CONFIG_FILE`` or those in ``~/.aws``. A file is read again when it has changed; with ``ignore_cache``, at
    every call.

    ``mfa_code_provider(serial)`` is asked for the code of a role with ``mfa_serial``, once its source has credentials;
    it has five minutes. ``role_assumer(source, params)`` and ``role_assumer_with_web_identity(params)`` take the place
    of STS. All are async. ``client_config`` says how services are called, at every step. ``timeout`` is in seconds, for
    one exchange with a service (by default 5), and for a command (60). Follows the AWS "SDKs and Tools" reference,
    pages "Shared config and credentials files" and "Assume role credential provider".

    Awaiting it raises ``ProfileNotFoundError`` if a profile that somebody named is missing, ``NotConfiguredError`` if
    there is no ``default`` or the profile says nothing about credentials, another ``InvalidConfigurationError``, with
    file and line, for what contradicts itself or cannot be read, ``LoginRequiredError`` if somebody has to sign in, and
    another ``RetrievalError`` if a service or a command gives no credentials.
    """
    if timeout is not None:
        lazy.refuse_limits("shared files", timeout)
    return lazy.later(
        "shared files",
        lazy.by_profile,
        may_prompt_user=mfa_code_provider is not None,
        kind="ProfileProvider",
        profile=profile,
        files=(filepath, config_filepath, ignore_cache),
        config=client_config,
        callbacks=(mfa_code_provider, role_assumer, role_assumer_with_web_identity),
        timeout=timeout,
    )


def from_process(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    timeout: float = 60.0,
) -> Provider:
    """Get what the ``credential_process`` of a profile prints, whatever else the profile says.

    The command runs in the system's shell, without standard input, and is ended with all that it started after
    ``timeout`` seconds. The other options are those of ``from_ini``. Follows the AWS "SDKs and Tools" reference, page
    "Process credential provider".

    Awaiting it raises ``NotConfiguredError`` if the profile has no command, ``ProfileNotFoundError`` if it is named and
    missing, and a ``RetrievalError`` if the command fails or prints no credentials.
    """
    return lazy.of_profile("ProcessProfileProvider", profile, (filepath, config_filepath, False), timeout)
