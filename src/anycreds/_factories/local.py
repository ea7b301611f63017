"""Factories for credentials on this machine: environment variables, shared files, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core.provider import Provider
from .._providers.environment import EnvironmentProvider
from .factory_call import picklable
from .files import Files
from .profile import profile_provider
from .runtime import RUNTIME

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer


@picklable
def from_env(
    *,
    environ: Mapping[str, str] | None = None,
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of the access keys in environment variables, which are read at every call.

    It needs ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``, and uses ``AWS_SESSION_TOKEN`` (or its old name
    ``AWS_SECURITY_TOKEN``), ``AWS_ACCOUNT_ID``, ``AWS_CREDENTIAL_SCOPE`` and ``AWS_CREDENTIAL_EXPIRATION`` (RFC 3339)
    if they are set.

    Args:
        environ: Replaces the environment variables of the process. Default: the process's own.
        include_secrets: Whether the provider can be pickled although ``environ`` is given. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. Awaiting it does no I/O.

    Raises:
        NotConfiguredError: When awaited: neither key is set.
        InvalidConfigurationError: When awaited: one of the keys is missing, or a value is invalid.
        RetrievalError: When awaited: the credentials have expired.

    See:
        AWS SDKs and Tools Reference Guide, "AWS access keys":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html

    """
    return EnvironmentProvider(RUNTIME, environ)


@picklable
def from_ini(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    client_config: ClientConfig | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
) -> Provider:
    """Return a provider of the credentials of a profile in the shared config and credentials files.

    The profile may be of any kind: access keys, roles (``source_profile`` and ``credential_source``, chained to any
    depth), web identity, ``credential_process``, SSO, ``aws login``.

    Args:
        profile: The name of the profile. Default: ``AWS_PROFILE``, otherwise ``default``.
        filepath: The credentials file. Default: ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``.
        config_filepath: The config file. Default: ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``.
        ignore_cache: Read the files at every call. Default: False, read a file again only if it has changed.
        mfa_code_provider: An async function that takes the serial number of an MFA device and returns its current code.
            It is called after the source of the role has credentials, and has five minutes. Default: None, a profile
            with ``mfa_serial`` is an error.
        role_assumer: An async function that takes the source's credentials and the parameters of AssumeRole, and
            returns the role's credentials. Default: None, STS is called.
        role_assumer_with_web_identity: An async function that takes the parameters of AssumeRoleWithWebIdentity and
            returns the role's credentials. Default: None, STS is called.
        endpoint: For a role with EC2 metadata as its source; see ``from_instance_metadata``. Default: None.
        endpoint_mode: As ``endpoint``. Default: None.
        ec2_metadata_v1_disabled: As ``endpoint``. Default: None.
        client_config: How AWS services are called, at every step. Default: the settings of the profile and the
            environment.
        timeout: Seconds for one exchange with a service or a metadata service, and for a command. Default: 5 for a
            service, 60 for a command; for a metadata service, see ``from_container_metadata`` and
            ``from_instance_metadata``.
        max_retries: For a role with container or EC2 metadata as its source, how often a transient failure of them is
            retried. Default: as ``timeout``.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: settings contradict each other or cannot be
            read; the error names file and line.
        ProfileNotFoundError: When awaited: a selected or referenced profile does not exist.
        NotConfiguredError: When awaited: the profile has no credential settings, or ``default`` does not exist.
        LoginRequiredError: When awaited: the user must sign in.
        RetrievalError: When awaited: a service or a command returned no credentials.

    See:
        AWS SDKs and Tools Reference Guide, "Shared config and credentials files":
        https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html and "Assume role credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html

    """
    return profile_provider(
        RUNTIME,
        files=Files(filepath, config_filepath, ignore_cache),
        profile=profile,
        mfa_code_provider=mfa_code_provider,
        role_assumer=role_assumer,
        role_assumer_with_web_identity=role_assumer_with_web_identity,
        endpoint=endpoint,
        endpoint_mode=endpoint_mode,
        ec2_metadata_v1_disabled=ec2_metadata_v1_disabled,
        client_config=client_config,
        timeout=timeout,
        metadata_timeout=timeout,
        max_retries=max_retries,
    )


@picklable
def from_process(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    timeout: float = 60.0,
) -> Provider:
    """Return a provider of the credentials that the ``credential_process`` of a profile prints.

    Other settings of the profile are ignored. The command runs in the system's shell, without standard input, and is
    terminated with all processes that it started when its time is over.

    Args:
        profile: The name of the profile. Default: ``AWS_PROFILE``, otherwise ``default``.
        filepath: The credentials file. Default: ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``.
        config_filepath: The config file. Default: ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``.
        timeout: Seconds for the command. Default: 60.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: the files cannot be read.
        NotConfiguredError: When awaited: the profile has no ``credential_process``.
        ProfileNotFoundError: When awaited: an explicitly selected profile does not exist.
        RetrievalError: When awaited: the command failed or printed no credentials.

    See:
        AWS SDKs and Tools Reference Guide, "Process credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html

    """
    return profile_provider(
        RUNTIME, files=Files(filepath, config_filepath), profile=profile, only="process", timeout=timeout
    )
