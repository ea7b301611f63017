"""Factories for credentials of a signed-in user: IAM Identity Center (SSO) and ``aws login``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .._config.client_config import check_client_config
from .._core.provider import Provider
from .._core.validation import check_timeout_and_retries
from . import constructors
from .factory_call import picklable
from .files import Files
from .lazy import LazyProvider, endpoint_resolver, profile_field
from .profile import profile_provider
from .runtime import RUNTIME

if TYPE_CHECKING:
    import os

    from .._config.client_config import ClientConfig
    from .._core.io import Runtime
    from .._providers.sso.settings import SsoSettings

_SSO = "SSO"


@picklable
def from_sso(
    profile: str | None = None,
    *,
    sso_start_url: str | None = None,
    sso_account_id: str | None = None,
    sso_region: str | None = None,
    sso_role_name: str | None = None,
    sso_session: str | None = None,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Return a provider of the credentials of a role in IAM Identity Center, for the user of ``aws sso login``.

    Either the ``sso_*`` options or the profile has all settings. With an ``sso_session`` the token is refreshed before
    it expires, by one process at a time, and written back for other tools. The token file is read at every attempt.

    Args:
        profile: The name of the profile. Default: ``AWS_PROFILE``, otherwise ``default``.
        sso_start_url: The start URL of the portal. Default: None, the profile's.
        sso_account_id: The AWS account. Default: None, the profile's.
        sso_region: The region of IAM Identity Center, which is called whatever other regions are set. Default: None,
            the profile's.
        sso_role_name: The role in the account. Default: None, the profile's.
        sso_session: The name of the ``sso-session`` whose token is used. Default: None, the profile's, or the token for
            the start URL.
        filepath: The credentials file. Default: ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``.
        config_filepath: The config file. Default: ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``.
        ignore_cache: Read the files at every call. Default: False, read a file again only if it has changed.
        client_config: How AWS services are called. Default: the settings of the profile and the environment.
        timeout: Seconds for one HTTP exchange. Default: 5.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid, or some ``sso_*`` options are missing.
        NotConfiguredError: When awaited: the profile has no SSO settings.
        ProfileNotFoundError: When awaited: an explicitly selected profile does not exist.
        LoginRequiredError: When awaited: the user must sign in; ``command`` is what to run.
        RetrievalError: When awaited: IAM Identity Center rejected the request or failed.

    See:
        AWS SDKs and Tools Reference Guide, "IAM Identity Center credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html

    """
    files = Files(filepath, config_filepath, ignore_cache)
    options = {
        "sso_start_url": sso_start_url,
        "sso_account_id": sso_account_id,
        "sso_region": sso_region,
        "sso_role_name": sso_role_name,
        "sso_session": sso_session,
    }
    if all(value is None for value in options.values()):
        return profile_provider(
            RUNTIME, files=files, profile=profile, only="sso", client_config=client_config, timeout=timeout
        )
    return sso_provider(RUNTIME, files=files, profile=profile, client_config=client_config, timeout=timeout, **options)


@picklable
def from_login_credentials(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Return a provider of the credentials of the session that ``aws login`` created for a profile.

    They are valid for 15 minutes and are refreshed before, by one process at a time, and written back for other tools.
    Refreshing needs the extra ``anycreds[login]``. They are cached in ``AWS_LOGIN_CACHE_DIRECTORY``, by default
    ``~/.aws/login/cache``.

    Args:
        profile: The name of a profile with a ``login_session``. Default: ``AWS_PROFILE``, otherwise ``default``.
        filepath: The credentials file. Default: ``AWS_SHARED_CREDENTIALS_FILE``, otherwise ``~/.aws/credentials``.
        config_filepath: The config file. Default: ``AWS_CONFIG_FILE``, otherwise ``~/.aws/config``.
        ignore_cache: Read the files at every call. Default: False, read a file again only if it has changed.
        client_config: How AWS services are called. Default: the settings of the profile and the environment.
        timeout: Seconds for one HTTP exchange. Default: 5.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: the files cannot be read.
        NotConfiguredError: When awaited: the profile has no ``login_session``.
        ProfileNotFoundError: When awaited: an explicitly selected profile does not exist.
        LoginRequiredError: When awaited: the user must sign in; ``command`` is what to run.
        RetrievalError: When awaited: the refresh failed and no valid credentials are left.

    See:
        AWS SDKs and Tools Reference Guide, "Login credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-login-credentials.html

    """
    files = Files(filepath, config_filepath, ignore_cache)
    return profile_provider(
        RUNTIME, files=files, profile=profile, only="login", client_config=client_config, timeout=timeout
    )


def sso_provider(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
    **options: str | None,
) -> Provider:
    """Return the provider of a role in IAM Identity Center by the ``sso_*`` options."""
    from .._providers.sso.settings import sso_options

    check_client_config(client_config)
    check_timeout_and_retries(timeout, 0, _SSO)
    settings = sso_options(**options)
    assert settings is not None  # some option is given
    build = partial(_build_sso, runtime, settings, files, profile, client_config, timeout=timeout)
    return LazyProvider(_SSO, runtime, build, context_fields=profile_field(profile))


def _build_sso(
    runtime: Runtime,
    settings: SsoSettings,
    files: Files,
    profile: str | None,
    client_config: ClientConfig | None,
    *,
    timeout: float,
) -> Provider:
    return constructors.sso(runtime, settings, endpoint_resolver(client_config, files, profile), timeout=timeout)
