"""Factories for credentials from Amazon Cognito."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .._config.client_config import check_client_config
from .._core.errors import InvalidConfigurationError
from .._core.provider import Provider
from .._core.validation import InvalidValueError, check_timeout_and_retries
from .factory_call import picklable
from .files import Files
from .lazy import LazyProvider, endpoint_resolver
from .runtime import RUNTIME

if TYPE_CHECKING:
    from .._config.client_config import ClientConfig
    from .._core.io import Runtime
    from .._providers.cognito.settings import CognitoOptions, IdentityCache, Login

_IDENTITY, _POOL = "Cognito identity", "Cognito identity pool"


@picklable
def from_cognito_identity(
    identity_id: str,
    *,
    custom_role_arn: str | None = None,
    logins: Mapping[str, Login] | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of the credentials of an Amazon Cognito identity whose ID is known.

    The region is that of ``client_config``, otherwise the prefix of the ID.

    Args:
        identity_id: The ID of the identity, such as ``"eu-central-1:0dd2f5b0-…"``.
        custom_role_arn: The role to use, where the identity has several. Default: None, the identity's role.
        logins: Tokens by the name of their identity provider, or async functions without arguments that return them,
            which are called at every attempt. Default: None, a guest.
        client_config: How Cognito is called. Default: the settings of the profile and the environment.
        timeout: Seconds for one HTTP exchange. Default: 5.
        include_secrets: Whether the provider can be pickled although ``logins`` contains tokens. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid.
        RetrievalError: When awaited: Cognito rejected the request (``code`` says why) or failed.

    See:
        Amazon Cognito Federated Identities API Reference, "GetCredentialsForIdentity":
        https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetCredentialsForIdentity.html

    """
    return _cognito_provider(
        _IDENTITY,
        "identity_id",
        identity_id,
        custom_role_arn=custom_role_arn,
        logins=logins,
        client_config=client_config,
        timeout=timeout,
    )


@picklable
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
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of the credentials of an identity in an Amazon Cognito identity pool.

    The identity is that of the logins, otherwise that of a guest. Its ID is cached. The region is that of
    ``client_config``, otherwise the prefix of the ID.

    Args:
        identity_pool_id: The ID of the pool, such as ``"eu-central-1:0dd2f5b0-…"``.
        account_id: The AWS account of the pool. Default: None, Cognito finds it.
        cache: Stores the IDs of identities: an object with the async methods ``get(key)``, ``set(key, value)`` and
            ``delete(key)``. Default: None, in memory.
        user_identifier: The user whose identity is cached. Default: None, the guest, or the logins if they are strings.
        custom_role_arn: The role to use, where the identity has several. Default: None, the identity's role.
        logins: Tokens by the name of their identity provider, or async functions without arguments that return them,
            which are called at every attempt. Default: None, a guest.
        client_config: How Cognito is called. Default: the settings of the profile and the environment.
        timeout: Seconds for one HTTP exchange. Default: 5.
        include_secrets: Whether the provider can be pickled although ``logins`` contains tokens. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid.
        RetrievalError: When awaited: Cognito rejected the request (``code`` says why) or failed.

    See:
        Amazon Cognito Federated Identities API Reference, "GetId":
        https://docs.aws.amazon.com/cognitoidentity/latest/APIReference/API_GetId.html

    """
    return _cognito_provider(
        _POOL,
        "identity_pool_id",
        identity_pool_id,
        custom_role_arn=custom_role_arn,
        logins=logins,
        client_config=client_config,
        timeout=timeout,
        pool={"account_id": account_id, "user_identifier": user_identifier, "cache": cache},
    )


def _cognito_provider(
    name: str,
    option: str,
    identifier: str,
    *,
    custom_role_arn: str | None,
    logins: Mapping[str, Login] | None,
    client_config: ClientConfig | None,
    timeout: float,
    pool: Mapping[str, Any] | None = None,
) -> Provider:
    from .._providers.cognito.settings import CognitoOptions, check_identity_options, check_pool_options

    try:
        check_identity_options(option, identifier, custom_role_arn, logins)
        if pool is not None:
            check_pool_options(**pool, logins=logins)
    except InvalidValueError as error:
        raise InvalidConfigurationError(str(error), source=name) from None
    check_client_config(client_config)
    check_timeout_and_retries(timeout, 0, name)
    options = CognitoOptions(custom_role_arn, None if logins is None else dict(logins), timeout)
    return LazyProvider(name, RUNTIME, partial(_build, RUNTIME, identifier, client_config, options, pool))


def _build(
    runtime: Runtime,
    identifier: str,
    client_config: ClientConfig | None,
    options: CognitoOptions,
    pool: Mapping[str, Any] | None,
) -> Provider:
    from .._providers.cognito.provider import CognitoIdentityPoolProvider, CognitoIdentityProvider

    endpoints = endpoint_resolver(client_config, Files())
    if pool is None:
        return CognitoIdentityProvider(runtime, identifier, endpoints, options)
    return CognitoIdentityPoolProvider(runtime, identifier, endpoints, options, **pool)
