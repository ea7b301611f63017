"""Factories for the credentials of a role from STS, with a web identity token."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from .._config.client_config import check_client_config
from .._config.settings import from_path_argument
from .._core.errors import InvalidConfigurationError
from .._core.provider import Provider
from .._core.validation import InvalidValueError, check_text, check_timeout_and_retries
from . import constructors
from .factory_call import picklable
from .files import Files
from .lazy import LazyProvider, endpoint_resolver
from .runtime import RUNTIME
from .sts_options import checked_parameters, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from .._config.client_config import ClientConfig
    from .._config.settings import Setting
    from .._core.callbacks import TokenFunction, WebIdentityAssumer
    from .._core.io import Io, Runtime
    from .._core.provider import ClientContext
    from .lazy import Check

_NAME = "web identity"


@picklable
def from_web_token(
    role_arn: str,
    web_identity_token: str | TokenFunction,
    *,
    role_session_name: str | None = None,
    provider_id: str | None = None,
    policy: str | None = None,
    policy_arns: Sequence[str] | None = None,
    duration: timedelta | float | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of the credentials of a role, from STS (AssumeRoleWithWebIdentity) with a web identity token.

    Args:
        role_arn: The ARN of the role.
        web_identity_token: The token, or an async function without arguments that returns it, which is called at every
            attempt.
        role_session_name: The name of the session. Default: None, ``anycreds-`` and the time.
        provider_id: The identity provider, for OAuth 2.0 tokens of Facebook and Amazon only. Default: None.
        policy: A session policy, as JSON text. Default: None.
        policy_arns: ARNs of managed session policies. Default: None.
        duration: How long the session lasts: a timedelta or a number of seconds, 15 minutes to 12 hours. Default: None,
            STS decides (one hour).
        role_assumer_with_web_identity: An async function that takes the parameters of the call and returns the role's
            credentials. Default: None, STS is called.
        client_config: How STS is called. Default: the settings of the environment and the selected profile.
        timeout: Seconds for one HTTP exchange. Default: 5.
        include_secrets: Whether the provider can be pickled although the token is a text. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid.
        RetrievalError: When awaited: STS rejected the request (``code`` says why) or failed.

    See:
        AWS Security Token Service API Reference, "AssumeRoleWithWebIdentity":
        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html

    """
    from .._providers.sts.parameters import LONGEST_TOKEN

    if not callable(web_identity_token):
        try:
            check_text(web_identity_token, LONGEST_TOKEN)
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"option web_identity_token {error}", source="role") from None
    params = checked_parameters(
        RoleArn=required(role_arn),
        RoleSessionName=role_session_name,
        ProviderId=provider_id,
        Policy=policy,
        PolicyArns=policy_arns,
        duration=duration,
    )
    return web_identity_provider(
        RUNTIME,
        files=Files(),
        token=web_identity_token,
        params=params,
        assumer=role_assumer_with_web_identity,
        client_config=client_config,
        timeout=timeout,
    )


@picklable
def from_token_file(
    *,
    web_identity_token_file: str | os.PathLike[str] | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    provider_id: str | None = None,
    policy: str | None = None,
    policy_arns: Sequence[str] | None = None,
    duration: timedelta | float | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Return a provider of the credentials of a role, from STS with the web identity token in a file (EKS with IRSA).

    The file is read at every attempt, and once more if STS says that the token has expired.

    Args:
        web_identity_token_file: The file. Default: ``AWS_WEB_IDENTITY_TOKEN_FILE``.
        role_arn: The ARN of the role. Default: ``AWS_ROLE_ARN``.
        role_session_name: The name of the session. Default: ``AWS_ROLE_SESSION_NAME``, otherwise ``anycreds-`` and the
            time.
        provider_id: The identity provider, for OAuth 2.0 tokens of Facebook and Amazon only. Default: None.
        policy: A session policy, as JSON text. Default: None.
        policy_arns: ARNs of managed session policies. Default: None.
        duration: How long the session lasts: a timedelta or a number of seconds, 15 minutes to 12 hours. Default: None,
            STS decides (one hour).
        role_assumer_with_web_identity: An async function that takes the parameters of the call and returns the role's
            credentials. Default: None, STS is called.
        client_config: How STS is called. Default: the settings of the environment and the selected profile.
        timeout: Seconds for one HTTP exchange. Default: 5.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: a token file is configured, but no role.
        NotConfiguredError: When awaited: no token file is configured.
        RetrievalError: When awaited: the file cannot be read, or STS rejected the request or failed.

    See:
        AWS SDKs and Tools Reference Guide, "Assume role credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html

    """
    params = checked_parameters(ProviderId=provider_id, Policy=policy, PolicyArns=policy_arns, duration=duration)
    return token_file_provider(
        RUNTIME,
        files=Files(),
        web_identity_token_file=web_identity_token_file,
        role_arn=role_arn,
        role_session_name=role_session_name,
        role_assumer_with_web_identity=role_assumer_with_web_identity,
        client_config=client_config,
        timeout=timeout,
        params=params,
    )


def token_file_provider(
    runtime: Runtime,
    *,
    web_identity_token_file: str | os.PathLike[str] | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    **options: Any,
) -> Provider:
    """Return the provider of a role for the token in a file; other options are those of ``web_identity_provider``."""
    settings = {
        "token_file": from_path_argument("web_identity_token_file", web_identity_token_file),
        "role_arn": from_path_argument("role_arn", role_arn),
        "session_name": from_path_argument("role_session_name", role_session_name),
    }
    options |= {**settings, "assumer": role_assumer_with_web_identity}
    return web_identity_provider(runtime, check=partial(_check_role, settings), **options)


async def _check_role(settings: Mapping[str, Setting | None], io: Io, _: ClientContext) -> None:
    """Raise an error if the role is not configured."""
    from .._providers.sts.settings import web_identity_role

    web_identity_role(io.environ(), **settings, source=_NAME)


def web_identity_provider(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
    check: Check | None = None,
    **options: Any,
) -> Provider:
    """Return the provider of a role for a web identity token; the other options are those of ``WebIdentityOptions``."""
    check_client_config(client_config)
    check_timeout_and_retries(timeout, 0, _NAME)
    build = partial(
        _build_web_identity, runtime, files, profile=profile, client_config=client_config, timeout=timeout, **options
    )
    return LazyProvider(_NAME, runtime, build, check=check)


def _build_web_identity(
    runtime: Runtime, files: Files, *, profile: str | None, client_config: ClientConfig | None, **options: Any
) -> Provider:
    return constructors.web_identity(runtime, endpoints=endpoint_resolver(client_config, files, profile), **options)
