"""The public functions that make providers: each puts together what stands in the layers below, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._cache import CachedProvider
from ._catalog import build_default_chain
from ._chain import CredentialChain, DefaultChain
from ._durations import as_seconds
from ._errors import InvalidConfigurationError
from ._memory import CacheOptions
from ._profile import ProcessProfileProvider, ProfileProvider
from ._provider import Caller, CredentialProvider, Provider
from ._shared_files import FileOptions
from ._system.session import SystemWorld
from .providers.container import ContainerProvider
from .providers.environment import EnvironmentProvider
from .providers.function import FunctionProvider
from .providers.imds import InstanceMetadataProvider

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from ._io import Clock

_WORLD = SystemWorld()


def from_env(*, environ: Mapping[str, str] | None = None) -> Provider:
    """Get credentials from environment variables, read anew at every call.

    ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` are needed; ``AWS_SESSION_TOKEN``, ``AWS_ACCOUNT_ID``,
    ``AWS_CREDENTIAL_SCOPE`` and ``AWS_CREDENTIAL_EXPIRATION`` (RFC 3339) are taken if set. ``environ`` stands in for
    the process's environment. Follows the AWS "SDKs and Tools" reference, page "AWS access keys".

    Awaiting it raises ``NotConfiguredError`` if neither key is set, ``InvalidConfigurationError`` if one is missing or
    a value cannot be right, ``RetrievalError`` if the set has ended.
    """
    return EnvironmentProvider(_WORLD, environ)


def from_ini(
    profile: str | None = None,
    *,
    filepath: str | None = None,
    config_filepath: str | None = None,
    ignore_cache: bool = False,
    timeout: float = 60.0,
) -> Provider:
    """Get the credentials of a profile in the shared config and credentials files.

    ``profile`` is its name; by default that of ``AWS_PROFILE``, else ``default``. ``filepath`` is the credentials file,
    ``config_filepath`` the config file, instead of ``AWS_SHARED_CREDENTIALS_FILE`` and ``AWS_CONFIG_FILE`` or those in
    ``~/.aws``. A file is read again when it has changed; with ``ignore_cache``, at every call. ``timeout`` is in
    seconds, for a ``credential_process``. This version uses keys and commands in profiles, not roles or logins yet.
    Follows the AWS "SDKs and Tools" reference, page "Shared config and credentials files".

    Awaiting it raises ``ProfileNotFoundError`` if a profile that somebody named is missing, ``NotConfiguredError`` if
    there is no ``default`` or the profile says nothing about credentials, another ``InvalidConfigurationError``, with
    file and line, for what contradicts itself or cannot be read, and a ``RetrievalError`` if the command fails.
    """
    return ProfileProvider(_WORLD, profile, files=FileOptions(filepath, config_filepath, ignore_cache), timeout=timeout)


def from_process(
    profile: str | None = None,
    *,
    filepath: str | None = None,
    config_filepath: str | None = None,
    timeout: float = 60.0,
) -> Provider:
    """Get what the ``credential_process`` of a profile prints, whatever else the profile says.

    The command runs in the system's shell, without standard input, and is ended with all that it started after
    ``timeout`` seconds. The other options are those of ``from_ini``. Follows the AWS "SDKs and Tools" reference, page
    "Process credential provider".

    Awaiting it raises ``NotConfiguredError`` if the profile has no command, ``ProfileNotFoundError`` if it is named and
    missing, and a ``RetrievalError`` if the command fails or prints no credentials.
    """
    return ProcessProfileProvider(_WORLD, profile, files=FileOptions(filepath, config_filepath), timeout=timeout)


def from_container_metadata(*, timeout: float = 1.0, max_retries: int = 0) -> Provider:
    """Get credentials where ECS and EKS say, by the ``AWS_CONTAINER_*`` variables.

    ``timeout`` is in seconds, for one HTTP exchange; ``max_retries`` counts further tries after passing failures.
    Follows the AWS "SDKs and Tools" reference, page "Container credential provider".

    Awaiting it raises ``NotConfiguredError`` if no URI is set, ``ForbiddenEndpointError`` if credentials may not come
    from there, ``InvalidConfigurationError`` for a token or URI that cannot be right, else a ``RetrievalError``.
    """
    return ContainerProvider(_WORLD, timeout=timeout, max_retries=max_retries)


def from_http(
    *,
    full_uri: str | None = None,
    relative_uri: str | None = None,
    authorization_token: str | None = None,
    authorization_token_file: str | None = None,
    timeout: float = 1.0,
    max_retries: int = 3,
) -> Provider:
    """Get credentials from any HTTP endpoint that answers like a container's.

    Given one of the options, the ``AWS_CONTAINER_*`` variables are not looked at; given none, they are all there is.
    ``full_uri`` is https to any host, or http to this machine, ECS or EKS; ``relative_uri`` is a path on the ECS agent.
    The token goes into the ``Authorization`` header as it is; the file is read anew at every attempt. ``timeout`` is in
    seconds, for one HTTP exchange. Follows the AWS "SDKs and Tools" reference, page "Container credential provider".

    Raises ``InvalidConfigurationError`` for options that contradict each other; awaiting it raises what
    ``from_container_metadata`` does.
    """
    try:
        return ContainerProvider(
            _WORLD,
            full_uri=full_uri,
            relative_uri=relative_uri,
            authorization_token=authorization_token,
            authorization_token_file=authorization_token_file,
            timeout=timeout,
            max_retries=max_retries,
        )
    finally:
        del full_uri, relative_uri, authorization_token, authorization_token_file  # a traceback keeps this frame


def from_instance_metadata(
    *,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    timeout: float = 1.0,
    max_retries: int = 0,
) -> Provider:
    """Get the credentials of the role that is attached to this EC2 instance, from its metadata service (IMDSv2).

    ``endpoint`` replaces ``http://169.254.169.254``; ``endpoint_mode`` is "IPv4" or "IPv6". ``timeout`` is in seconds,
    for one HTTP exchange. While the service is down a set that has ended is served, with ``original_expiration`` set.
    Follows the AWS "SDKs and Tools" reference, page "IMDS credential provider".

    Awaiting it raises ``MetadataUnreachableError`` if the service never answered, ``NotConfiguredError`` if no role is
    attached or ``AWS_EC2_METADATA_DISABLED`` is true, else an ``InvalidConfigurationError`` or a ``RetrievalError``.
    """
    return InstanceMetadataProvider(
        _WORLD,
        endpoint=endpoint,
        endpoint_mode=endpoint_mode,
        ec2_metadata_v1_disabled=ec2_metadata_v1_disabled,
        timeout=timeout,
        max_retries=max_retries,
    )


def from_default_chain(
    profile: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    filepath: str | None = None,
    config_filepath: str | None = None,
    ignore_cache: bool = False,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
) -> CachedProvider:
    """Get credentials as every AWS SDK does by default. Cached.

    No profile named: environment, shared files (profile ``default``), container, EC2 instance metadata. A profile that
    is named, here, by ``AWS_PROFILE`` or by a bound caller, comes first, and keys in the environment are then not used;
    if it says nothing about credentials, the chain goes on behind it. ``environ`` stands in for the process's
    environment; the other options are those of the providers in the chain, ``timeout`` and ``max_retries`` those of
    container and metadata. Follows the AWS "SDKs and Tools" reference, page "Standardized credential providers".

    Awaiting it raises ``NoCredentialsError`` if no provider has anything configured, and at once what a provider raises
    that is configured and fails; ``ProfileNotFoundError`` if the named profile is missing.
    """
    options = {
        "profile": profile,
        "files": FileOptions(filepath, config_filepath, ignore_cache),
        "endpoint": endpoint,
        "endpoint_mode": endpoint_mode,
        "ec2_metadata_v1_disabled": ec2_metadata_v1_disabled,
        "timeout": timeout,
        "max_retries": max_retries,
    }
    world = _WORLD if environ is None else SystemWorld(environ=environ)
    unnamed, named = build_default_chain(world, options)
    chain = DefaultChain(unnamed, named, world, profile)
    return CachedProvider(chain, world, CacheOptions(), Caller())


def create_credential_chain(*providers: CredentialProvider) -> CredentialChain:
    """Ask these providers in order, until one has credentials. Remembers nothing: see ``cached``.

    Each is a provider of this library or any async function without arguments. Only ``NotConfiguredError`` makes the
    chain go on. ``.expire_after(lifetime)`` gives a new chain whose sets all have an expiration.

    Raises ``InvalidConfigurationError`` without any provider; awaiting it raises ``NoCredentialsError`` if no provider
    has anything configured, and at once what a provider raises that is configured and fails.
    """
    if not providers:
        raise InvalidConfigurationError("a credential chain needs at least one provider")
    return CredentialChain([_as_provider(provider, _WORLD) for provider in providers], _WORLD)


def cached(
    provider: CredentialProvider,
    *,
    refresh_window: timedelta | float | None = None,
    recheck: timedelta | float | None = None,
    stale_ok: bool = False,
    clock: Clock | None = None,
) -> CachedProvider:
    """Remember what a provider gives, and refresh it ahead of its end, once, however many tasks ask.

    ``provider`` is a provider of this library or any async function without arguments. ``refresh_window`` is how long
    before its end a set is refreshed (by default 5, 15 or 60 minutes, by its life; never more than half of that).
    ``recheck`` asks again so long after a set came that has no expiration. ``stale_ok`` serves a set past its end while
    the source is down, with ``original_expiration`` set. ``clock`` replaces the machine's clock, for tests. Lengths of
    time are timedeltas or seconds. A provider that is cached already is returned as it is; with options, cached anew.

    Raises ``InvalidConfigurationError`` for options that cannot be right.
    """
    options = CacheOptions(
        None if refresh_window is None else as_seconds("refresh_window", refresh_window),
        None if recheck is None else as_seconds("recheck", recheck),
        stale_ok,
    )
    if isinstance(provider, CachedProvider):
        if options == CacheOptions() and clock is None:
            return provider
        return CachedProvider(provider._source, _world(clock), options, provider._caller)
    return CachedProvider(_as_provider(provider, _world(clock)), _world(clock), options, Caller())


def _world(clock: Clock | None) -> SystemWorld:
    return _WORLD if clock is None else SystemWorld(clock)


def _as_provider(provider: CredentialProvider, world: SystemWorld) -> Provider:
    return provider if isinstance(provider, Provider) else FunctionProvider(world, provider)
