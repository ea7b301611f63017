"""Factories for what a person has signed in to: IAM Identity Center (SSO), ``aws login``, Cognito."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config.client_config import check_client_config
from .._core.errors import InvalidConfigurationError, strip_frames
from .._core.provider import Provider
from .._core.validation import InvalidValueError
from . import lazy

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .._config.client_config import ClientConfig
    from .._providers.cognito.identity_cache import IdentityCache, Login
    from .._providers.sso.settings import SsoSettings


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
    """Get the credentials of a role in IAM Identity Center, with the token that ``aws sso login`` has left.

    The ``sso_*`` options say all, or else the profile does, by itself or with its ``sso-session`` section. With
    ``sso_session`` the token is refreshed before it ends, by one process at a time, and written back for other tools;
    without it, it is that of the old form. The region is always ``sso_region``. The file is read at every attempt, so
    that a new sign-in is seen at once. ``timeout`` is in seconds, for one exchange; the other options are those of
    ``from_ini``. Follows the AWS "SDKs and Tools" reference, page "IAM Identity Center credential provider".

    Raises ``InvalidConfigurationError`` if one of the ``sso_*`` options is missing beside others. Awaiting it raises
    ``NotConfiguredError`` if the profile has no such settings, ``LoginRequiredError``, whose ``command`` is what to
    run, if somebody has to sign in, and another ``RetrievalError`` if the role is refused.
    """
    given = {
        "sso_start_url": sso_start_url,
        "sso_account_id": sso_account_id,
        "sso_region": sso_region,
        "sso_role_name": sso_role_name,
        "sso_session": sso_session,
    }
    settings = _sso_settings(given)
    files = (filepath, config_filepath, ignore_cache)
    if settings is None:
        return lazy.of_profile("SsoProfileProvider", profile, files, timeout, client_config)
    check_client_config(client_config)
    lazy.refuse_limits("SSO", timeout)
    return lazy.later(
        "SSO",
        lazy.sso,
        settings=settings,
        profile=profile,
        files=files,
        config=client_config,
        timeout=timeout,
    )


def from_login_credentials(
    profile: str | None = None,
    *,
    filepath: str | os.PathLike[str] | None = None,
    config_filepath: str | os.PathLike[str] | None = None,
    ignore_cache: bool = False,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Get the credentials that ``aws login`` has left for the ``login_session`` of a profile.

    They last 15 minutes and are refreshed before, by one process at a time, and written back for other tools; that
    needs the extra ``anycreds[login]``. While a refresh fails, valid ones are served. They are in
    ``AWS_LOGIN_CACHE_DIRECTORY``, by default ``~/.aws/login/cache``. ``timeout`` is in seconds, for one exchange; the
    other options are those of ``from_ini``. Follows the AWS "SDKs and Tools" reference, page "Login credential
    provider".

    Awaiting it raises ``NotConfiguredError`` if the profile has no ``login_session``, ``LoginRequiredError``, whose
    ``command`` is what to run, if somebody has to sign in, and another ``RetrievalError`` if the refresh fails.
    """
    files = (filepath, config_filepath, ignore_cache)
    return lazy.of_profile("LoginProfileProvider", profile, files, timeout, client_config)


def from_cognito_identity(
    identity_id: str,
    *,
    custom_role_arn: str | None = None,
    logins: Mapping[str, Login] | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Get the credentials of an Amazon Cognito identity that is known.

    ``logins`` has tokens by the name of their provider, or async functions without arguments that return them, asked
    anew at every attempt. The region is that of ``client_config``, else the one that ``identity_id`` begins with.
    ``timeout`` is in seconds, for one exchange. Follows the Amazon Cognito Identity API reference, page
    "GetCredentialsForIdentity".

    Raises ``InvalidConfigurationError`` for options that cannot be right. Awaiting it raises a ``RetrievalError``, with
    Cognito's ``code`` if that refuses.
    """
    from .._providers.cognito.identity_cache import check_identity

    try:
        _check_service_options("Cognito identity", client_config, timeout)
        check_identity("identity_id", identity_id, custom_role_arn, logins)
        copied = None if logins is None else dict(logins)
    except InvalidValueError as error:
        strip_frames(error)
        raise InvalidConfigurationError(str(error), source="Cognito identity") from None
    finally:
        del logins  # a traceback keeps this frame
    return lazy.later(
        "Cognito identity",
        lazy.cognito,
        identity=identity_id,
        custom_role_arn=custom_role_arn,
        logins=copied,
        config=client_config,
        timeout=timeout,
    )


def from_cognito_identity_pool(
    identity_pool_id: str,
    *,
    account_id: str | None = None,
    cache: IdentityCache | None = None,
    user_identifier: str | None = None,
    custom_role_arn: str | None = None,
    logins: Mapping[str, Login] | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Get credentials from an Amazon Cognito identity pool: for its guests, or for the user of some logins.

    The pool gives the user an identity, whose id is remembered: in this provider, or in ``cache``, an object with async
    ``get(key)``, ``set(key, value)`` and ``delete(key)``. ``user_identifier`` tells users apart there; where a login is
    a function and nobody says whose, the pool is asked each time. A passing error never forgets an identity.
    ``account_id`` is the account of the pool. The other options are those of ``from_cognito_identity``. Follows the
    Amazon Cognito Identity API reference, page "GetId".

    Raises ``InvalidConfigurationError`` for options that cannot be right. Awaiting it raises a ``RetrievalError``, with
    Cognito's ``code`` if that refuses.
    """
    from .._providers.cognito.identity_cache import check_identity, check_pool

    try:
        _check_service_options("Cognito identity pool", client_config, timeout)
        check_identity("identity_pool_id", identity_pool_id, custom_role_arn, logins)
        check_pool(account_id, user_identifier, cache, logins)
        copied = None if logins is None else dict(logins)
    except InvalidValueError as error:
        strip_frames(error)
        raise InvalidConfigurationError(str(error), source="Cognito identity pool") from None
    finally:
        del logins  # a traceback keeps this frame
    return lazy.later(
        "Cognito identity pool",
        lazy.cognito,
        identity=identity_pool_id,
        custom_role_arn=custom_role_arn,
        logins=copied,
        config=client_config,
        timeout=timeout,
        account_id=account_id,
        cache=cache,
        user_identifier=user_identifier,
    )


def _sso_settings(given: dict[str, str | None]) -> SsoSettings | None:
    """Return what options say about SSO; raise what is wrong with them; None: none is given."""
    if all(value is None for value in given.values()):
        return None  # what reads them need not be loaded
    from .._providers.sso.settings import sso_options

    return sso_options(**given)


def _check_service_options(name: str, config: ClientConfig | None, timeout: float) -> None:
    check_client_config(config)
    lazy.refuse_limits(name, timeout)
