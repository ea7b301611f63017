"""Factories for what goes around providers: the default chain, chains of a program's own, and the cache."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from .._cache.provider import CachedProvider
from .._cache.state import CacheOptions
from .._core.durations import as_seconds
from .._core.errors import InvalidConfigurationError
from .._core.provider import ClientContext, CredentialProvider
from .._providers.chain import CredentialChain, DefaultChain
from .._system.io import SystemRuntime
from .default_chain import build_default_chain
from .runtime import RUNTIME, as_provider, runtime_with_clock

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import timedelta

    from .._config.client_config import ClientConfig
    from .._config.shared_files import SharedFiles
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from .._core.events import Observer
    from .._core.io import Clock


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
    web_identity_token_file: str | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    client_config: ClientConfig | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    observer: Observer | None = None,
) -> CachedProvider:
    """Get credentials as every AWS SDK does by default. Cached.

    No profile named: environment, SSO (by the ``sso_*`` options, or a profile ``default`` that is nothing else), web
    identity token file, shared files (profile ``default``), container, EC2 instance metadata. A profile that is named,
    here, by ``AWS_PROFILE`` or by a bound caller, comes first, and keys in the environment are then not used; if it
    says nothing about credentials, the chain goes on behind it. ``environ`` stands in for the process's environment;
    the other options are those of the providers in the chain, ``timeout`` and ``max_retries`` those of container and
    metadata; ``observer`` is that of ``cached``. Follows the AWS "SDKs and Tools" reference, page "Standardized
    credential providers".

    Awaiting it raises ``NoCredentialsError`` if no provider has anything configured, and at once what a provider raises
    that is configured and fails; ``ProfileNotFoundError`` if the named profile is missing.
    """
    options = {
        "profile": profile,
        "files": cache(partial(_shared_files, filepath, config_filepath, ignore_cache)),  # one for all that ask
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
    unnamed, named = build_default_chain(runtime, options)
    chain = DefaultChain(unnamed, named, runtime, profile)
    return CachedProvider(chain, runtime, CacheOptions(observer=observer), ClientContext())


def _shared_files(
    filepath: str | os.PathLike[str] | None, config_filepath: str | os.PathLike[str] | None, ignore_cache: bool
) -> SharedFiles:
    from .._config.shared_files import FileOptions, SharedFiles

    return SharedFiles(FileOptions(filepath, config_filepath, ignore_cache))


def create_credential_chain(*providers: CredentialProvider) -> CredentialChain:
    """Ask these providers in order, until one has credentials. Remembers nothing: see ``cached``.

    Each is a provider of this library or any async function without arguments. Only ``NotConfiguredError`` makes the
    chain go on. ``.expire_after(lifetime)`` gives a new chain whose sets all have an expiration.

    Raises ``InvalidConfigurationError`` without any provider; awaiting it raises ``NoCredentialsError`` if no provider
    has anything configured, and at once what a provider raises that is configured and fails.
    """
    if not providers:
        raise InvalidConfigurationError("a credential chain needs at least one provider")
    return CredentialChain([as_provider(provider, RUNTIME) for provider in providers], RUNTIME)


def cached(
    provider: CredentialProvider,
    *,
    refresh_window: timedelta | float | None = None,
    recheck_after: timedelta | float | None = None,
    stale_ok: bool = False,
    observer: Observer | None = None,
    clock: Clock | None = None,
) -> CachedProvider:
    """Remember what a provider gives, and refresh it ahead of its end, once, however many tasks ask.

    ``provider`` is a provider of this library or any async function without arguments. ``refresh_window`` is how long
    before its end a set is refreshed (by default 5, 15 or 60 minutes, by its life; never more than half of that).
    ``recheck_after`` refreshes credentials without expiration so long after they arrived. ``stale_ok`` returns
    credentials past their expiration while the source is down, with ``original_expiration`` set. ``observer`` is a
    function that receives what happens, as the
    values in ``anycreds._core.events``: it must be quick. ``clock`` replaces the machine's clock, for tests. Lengths of
    time are timedeltas or seconds. A provider that is cached already is returned as it is; with options, cached anew.

    Raises ``InvalidConfigurationError`` for options that cannot be right.
    """
    options = CacheOptions(
        None if refresh_window is None else as_seconds("refresh_window", refresh_window),
        None if recheck_after is None else as_seconds("recheck_after", recheck_after),
        stale_ok,
        observer,
    )
    if isinstance(provider, CachedProvider):
        if options == CacheOptions() and clock is None:
            return provider
        return CachedProvider(provider._source, runtime_with_clock(clock), options, provider._context)
    return CachedProvider(
        as_provider(provider, runtime_with_clock(clock)), runtime_with_clock(clock), options, ClientContext()
    )
