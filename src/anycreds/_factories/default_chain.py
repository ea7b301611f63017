"""The default chain: which providers it calls, in which order, under which names. All of it is data.

A new provider in the default chain is one more ``ChainEntry``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .._core.provider import Provider
from .._providers.chain import DefaultChain
from .._providers.environment import EnvironmentProvider
from .._system.runtime import SystemRuntime
from .cache import cached
from .chain_steps import ChainStep, no_default_profile, no_token_file, shared_files_step, sso_step
from .factory_call import picklable
from .files import Files
from .metadata import container_provider, instance_metadata_provider
from .runtime import RUNTIME
from .web_identity import token_file_provider

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from .._cache.provider import CachedProvider
    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from .._core.events import Observer
    from .._core.io import Runtime
    from .chain_steps import Absence


class ChainEntry(NamedTuple):
    """One provider of the default chain."""

    name: str
    """A short name that never changes."""
    title: str
    """The name in the AWS SDKs and Tools Reference Guide."""
    sources: str
    """Where it looks, for display."""
    provider: str
    """The name of the provider."""
    options: tuple[str, ...]
    """The options of ``from_default_chain`` that it takes."""
    build: Callable[..., Provider]
    """Returns the provider; takes the runtime and the options that are given."""
    absence: Absence | None = None
    """Finds out whether anything is configured, if no other options are given than those of every chain."""


_UNCHECKED = frozenset(("files", "profile"))  # the options that every value is valid for
_FILES = ("files", "profile", "client_config")
_CALLBACKS = ("mfa_code_provider", "role_assumer", "role_assumer_with_web_identity")
_IMDS = ("endpoint", "endpoint_mode", "ec2_metadata_v1_disabled")
_LIMITS = ("timeout", "max_retries")
_SSO_OPTIONS = ("sso_start_url", "sso_account_id", "sso_region", "sso_role_name", "sso_session")

ENVIRONMENT = ChainEntry(
    "environment",
    "AWS access keys (environment variables)",
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    "environment variables",
    (),
    EnvironmentProvider,
)
SSO = ChainEntry(
    "sso",
    "IAM Identity Center credential provider",
    "options sso_*; otherwise profile default, if SSO is its only source",
    "SSO",
    (*_FILES, *_SSO_OPTIONS),
    sso_step,
    no_default_profile,
)
WEB_IDENTITY = ChainEntry(
    "web-identity-token-file",
    "Assume role with web identity (environment variables)",
    "AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN",
    "web identity",
    (*_FILES, "web_identity_token_file", "role_arn", "role_session_name", "role_assumer_with_web_identity"),
    token_file_provider,
    no_token_file,
)
SHARED_FILES = ChainEntry(
    "shared-files",
    "Shared config and credentials files",
    "~/.aws/config and ~/.aws/credentials, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
    "shared files",
    (*_FILES, *_CALLBACKS, *_IMDS, *_LIMITS),
    shared_files_step,
    no_default_profile,
)
CONTAINER = ChainEntry(
    "container",
    "Container credential provider",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "container credentials",
    _LIMITS,
    container_provider,
)
INSTANCE_METADATA = ChainEntry(
    "imds",
    "IMDS credential provider",
    "the EC2 instance metadata service, unless AWS_EC2_METADATA_DISABLED is true",
    "EC2 instance metadata",
    ("files", "profile", *_IMDS, *_LIMITS),
    instance_metadata_provider,
)


def _with_first(*first: ChainEntry) -> tuple[ChainEntry, ...]:
    """Return the chain with these entries before the others."""
    return (*first, *(entry for entry in CHAIN_WITHOUT_PROFILE if entry not in first))


CHAIN_WITHOUT_PROFILE = (ENVIRONMENT, SSO, WEB_IDENTITY, SHARED_FILES, CONTAINER, INSTANCE_METADATA)
# An explicitly selected profile takes precedence over access keys in environment variables. They come next, if it has
# no credential settings.
CHAIN_WITH_PROFILE = _with_first(SHARED_FILES)
# The ``sso_*`` options take precedence over a selected profile, as in JavaScript: code comes before ``AWS_PROFILE``.
CHAIN_WITH_PROFILE_AND_SSO_OPTIONS = _with_first(SSO, SHARED_FILES)


def build_default_chain(runtime: Runtime, options: Mapping[str, Any]) -> tuple[Sequence[Provider], Sequence[Provider]]:
    """Return the providers of the default chain in both orders: without a selected profile, and with one."""
    given = {name: value for name, value in options.items() if value is not None}
    needs_check = not given.keys() <= _UNCHECKED
    providers: dict[str, Provider] = {}
    for entry in CHAIN_WITHOUT_PROFILE:
        own = {name: value for name, value in given.items() if name in entry.options}
        if needs_check or entry is ENVIRONMENT:
            providers[entry.name] = entry.build(runtime, **own)
        else:
            providers[entry.name] = ChainStep(entry.provider, runtime, entry.build, own, entry.absence)
    has_sso_options = not given.keys().isdisjoint(_SSO_OPTIONS)
    with_profile = CHAIN_WITH_PROFILE_AND_SSO_OPTIONS if has_sso_options else CHAIN_WITH_PROFILE
    return list(providers.values()), [providers[entry.name] for entry in with_profile]


@picklable
def from_default_chain(
    profile: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    sso_start_url: str | None = None,
    sso_account_id: str | None = None,
    sso_region: str | None = None,
    sso_role_name: str | None = None,
    sso_session: str | None = None,
    web_identity_token_file: str | os.PathLike[str] | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    client_config: ClientConfig | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    refresh_window: timedelta | float | None = None,
    recheck_after: timedelta | float | None = None,
    stale_ok: bool | None = None,
    spread_first_refresh: bool | None = None,
    observer: Observer | None = None,
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> CachedProvider:
    """Return a cached provider of the credentials that every AWS SDK would find by default.

    Without an explicitly selected profile: environment variables, SSO (the ``sso_*`` options, or a profile ``default``
    whose only source is SSO), web identity token file, shared files (profile ``default``), container, EC2 instance
    metadata. A profile that is selected explicitly, by the argument, ``AWS_PROFILE`` or a client context, comes first,
    after the ``sso_*`` options. Access keys in environment variables are then used only if it has no credential
    settings.

    Args:
        profile: The name of the profile to select. Default: ``AWS_PROFILE``, otherwise ``default``, not explicitly.
        environ: Replaces the environment variables of the process. Default: the process's own.
        filepath: The credentials file. Default: ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``.
        config_filepath: The config file. Default: ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``.
        ignore_cache: Read the files at every call. Default: False, read a file again only if it has changed.
        mfa_code_provider: See ``from_ini``. Default: None.
        role_assumer: See ``from_ini``. Default: None, STS is called.
        role_assumer_with_web_identity: See ``from_ini`` and ``from_token_file``. Default: None, STS is called.
        sso_start_url: See ``from_sso``. Default: None.
        sso_account_id: See ``from_sso``. Default: None.
        sso_region: See ``from_sso``. Default: None.
        sso_role_name: See ``from_sso``. Default: None.
        sso_session: See ``from_sso``. Default: None.
        web_identity_token_file: See ``from_token_file``. Default: ``AWS_WEB_IDENTITY_TOKEN_FILE``.
        role_arn: See ``from_token_file``. Default: ``AWS_ROLE_ARN``.
        role_session_name: See ``from_token_file``. Default: ``AWS_ROLE_SESSION_NAME``.
        endpoint: See ``from_instance_metadata``. Default: None.
        endpoint_mode: See ``from_instance_metadata``. Default: None.
        ec2_metadata_v1_disabled: See ``from_instance_metadata``. Default: None.
        client_config: How AWS services are called. Default: the settings of the profile and the environment.
        timeout: Seconds for one HTTP exchange with container and EC2 metadata. Default: see
            ``from_container_metadata`` and ``from_instance_metadata``.
        max_retries: How often a transient failure of container and EC2 metadata is retried. Default: as ``timeout``.
        refresh_window: How long before their expiration credentials are refreshed; see ``cached``. Default: 5, 15 or 60
            minutes, depending on the lifetime.
        recheck_after: How long after their arrival credentials are refreshed whatever their expiration is; see
            ``cached``. Default: never.
        stale_ok: Whether expired credentials are returned while the source is down; see ``cached``. Default: False,
            except for EC2 metadata.
        spread_first_refresh: Whether the first refresh comes at a random time, for many machines that start together;
            see ``cached``. Default: False.
        observer: A function that receives the events in ``anycreds.events``; see ``cached``. Default: None.
        include_secrets: Whether the provider can be pickled although ``environ`` is given. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A cached provider.

    Raises:
        InvalidConfigurationError: An option is invalid.
        NoCredentialsError: When awaited: no provider has anything configured.
        ProfileNotFoundError: When awaited: the explicitly selected profile does not exist.
        CredentialsError: When awaited: what a provider raises that is configured and fails.

    See:
        AWS SDKs and Tools Reference Guide, "Standardized credential providers":
        https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html

    """
    options = {
        "profile": profile,
        "files": Files(filepath, config_filepath, ignore_cache),  # one for all providers
        "mfa_code_provider": mfa_code_provider,
        "role_assumer": role_assumer,
        "role_assumer_with_web_identity": role_assumer_with_web_identity,
        "sso_start_url": sso_start_url,
        "sso_account_id": sso_account_id,
        "sso_region": sso_region,
        "sso_role_name": sso_role_name,
        "sso_session": sso_session,
        "web_identity_token_file": web_identity_token_file,
        "role_arn": role_arn,
        "role_session_name": role_session_name,
        "endpoint": endpoint,
        "endpoint_mode": endpoint_mode,
        "ec2_metadata_v1_disabled": ec2_metadata_v1_disabled,
        "client_config": client_config,
        "timeout": timeout,
        "max_retries": max_retries,
    }
    runtime = RUNTIME if environ is None else SystemRuntime(environ=environ)
    chain = DefaultChain(*build_default_chain(runtime, options), runtime, profile)
    return cached(
        chain,
        refresh_window=refresh_window,
        recheck_after=recheck_after,
        stale_ok=stale_ok,
        spread_first_refresh=spread_first_refresh,
        observer=observer,
    )
