"""Factories for roles that STS gives: with credentials of a source, or with a web identity token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .._config.client_config import check_client_config
from .._config.settings import from_path_argument
from .._core.durations import as_seconds
from .._core.errors import InvalidConfigurationError, strip_frames
from .._core.provider import Provider
from .._core.validation import InvalidValueError, check_text
from . import lazy
from .runtime import as_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider, TokenFunction, WebIdentityAssumer
    from .._core.credentials import Credentials
    from .._core.provider import CredentialProvider
    from .._providers.sts.parameters import Params

_NAME = "role"  # in errors of options


def from_temporary_credentials(
    role_arn: str,
    *,
    source_credentials: CredentialProvider | Credentials | None = None,
    role_session_name: str | None = None,
    duration: timedelta | float | None = None,
    external_id: str | None = None,
    policy: str | None = None,
    policy_arns: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    transitive_tag_keys: Sequence[str] | None = None,
    source_identity: str | None = None,
    provided_contexts: Mapping[str, str] | None = None,
    serial_number: str | None = None,
    mfa_code_provider: MfaCodeProvider | None = None,
    client_config: ClientConfig | None = None,
    timeout: float = 5.0,
) -> Provider:
    """Get the credentials of a role from STS (AssumeRole), with those of a source.

    ``source_credentials`` is a provider, any async function without arguments, or a set of credentials; by default the
    default chain. Providers made here can be each other's source, to any depth. ``duration`` is a timedelta or seconds,
    15 minutes to 12 hours, and one hour at most where the source is a role itself. ``policy`` is a JSON text,
    ``policy_arns`` and ``transitive_tag_keys`` are lists, ``tags`` is a mapping, and ``provided_contexts`` one from
    provider ARNs to assertions. ``role_session_name`` is ``anycreds-<time>`` by default. ``serial_number`` names an MFA
    device, whose code the async ``mfa_code_provider(serial_number)`` gives; it has five minutes. ``timeout`` is in
    seconds, for one exchange. Follows the AWS STS API reference, page "AssumeRole".

    Raises ``InvalidConfigurationError`` for options that cannot be right. Awaiting it raises what the source raises
    (``InvalidConfigurationError`` if that has nothing configured), and a ``RetrievalError`` with the ``code`` of STS if
    the role is refused.
    """
    if source_credentials is None:
        from .chains import from_default_chain

        source_credentials = from_default_chain()
    values = {
        "RoleArn": _needed(role_arn),
        "RoleSessionName": role_session_name,
        "DurationSeconds": _seconds(duration),
        "ExternalId": external_id,
        "Policy": policy,
        "PolicyArns": policy_arns,
        "Tags": tags,
        "TransitiveTagKeys": transitive_tag_keys,
        "SourceIdentity": source_identity,
        "ProvidedContexts": provided_contexts,
        "SerialNumber": serial_number,
    }
    try:
        source, told, needs_code = as_source(source_credentials), f"role {role_arn!r}", serial_number is not None
        check_client_config(client_config)
        lazy.refuse_limits("assume role", timeout)
        _refuse_without_codes(told, needs_code, mfa_code_provider)
        params = _checked(values)
    finally:
        del provided_contexts, values  # a traceback keeps this frame, and assertions are secrets
    return lazy.later(
        "assume role",
        lazy.role,
        may_prompt_user=needs_code or source._may_prompt_user,
        params=params,
        told=told,
        source=source,
        mfa_code_provider=mfa_code_provider,
        config=client_config,
        timeout=timeout,
    )


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
) -> Provider:
    """Get the credentials of a role from STS for a web identity token (AssumeRoleWithWebIdentity).

    ``web_identity_token`` is the token, or an async function without arguments that returns it and is asked at every
    attempt. ``provider_id`` is for OAuth 2.0 tokens of Facebook and Amazon only. ``role_assumer_with_web_identity``, an
    async function of the call's parameters, takes the place of STS. The other options are those of
    ``from_temporary_credentials``. Follows the AWS STS API reference, page "AssumeRoleWithWebIdentity".

    Raises ``InvalidConfigurationError`` for options that cannot be right. Awaiting it raises a ``RetrievalError``, with
    the ``code`` of STS if the role is refused.
    """
    from .._providers.sts.parameters import LONGEST_TOKEN

    given: Any = web_identity_token
    try:
        if not callable(given):
            try:
                check_text(given, LONGEST_TOKEN, field="option web_identity_token")
            except InvalidValueError as error:
                strip_frames(error)
                raise InvalidConfigurationError(str(error), source=_NAME) from None
        values = {
            "RoleArn": _needed(role_arn),
            "RoleSessionName": role_session_name,
            "ProviderId": provider_id,
            "Policy": policy,
            "PolicyArns": policy_arns,
            "DurationSeconds": _seconds(duration),
        }
        check_client_config(client_config)
        lazy.refuse_limits("web identity", timeout)
        return lazy.later(
            "web identity",
            lazy.web_identity,
            token=given,
            params=_checked(values),
            assumer=role_assumer_with_web_identity,
            config=client_config,
            timeout=timeout,
        )
    finally:
        del web_identity_token, given  # a traceback keeps this frame


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
    """Get the credentials of a role from STS for the web identity token in a file, as on EKS with IRSA.

    The first three options, where not given, are ``AWS_WEB_IDENTITY_TOKEN_FILE``, ``AWS_ROLE_ARN`` and
    ``AWS_ROLE_SESSION_NAME``. The file is read anew at every attempt, and once more if STS says that the token has
    ended. The other options are those of ``from_web_token``. Follows the AWS "SDKs and Tools" reference, page "Assume
    role with web identity".

    Awaiting it raises ``NotConfiguredError`` if no token file is named, ``InvalidConfigurationError`` if no role is,
    and a ``RetrievalError`` if the file cannot be read or the role is refused.
    """
    values = {
        "ProviderId": provider_id,
        "Policy": policy,
        "PolicyArns": policy_arns,
        "DurationSeconds": _seconds(duration),
    }
    params = _checked(values)
    check_client_config(client_config)
    lazy.refuse_limits("web identity", timeout)
    return lazy.later(
        "web identity",
        lazy.web_identity,
        token_file=from_path_argument("web_identity_token_file", web_identity_token_file),
        role_arn=from_path_argument("role_arn", role_arn),
        session_name=from_path_argument("role_session_name", role_session_name),
        params=params,
        assumer=role_assumer_with_web_identity,
        config=client_config,
        timeout=timeout,
    )


def _checked(values: Mapping[str, object]) -> Params:
    """Return the parameters of a call; raise what is wrong with an option."""
    from .._providers.sts.parameters import sts_parameters

    try:
        return sts_parameters(values, _NAME)
    except InvalidConfigurationError as error:
        strip_frames(error)  # the frames below hold assertions, which are secrets
        raise
    finally:
        del values


def _refuse_without_codes(told: str, needs_code: bool, mfa_code_provider: MfaCodeProvider | None) -> None:
    if needs_code and mfa_code_provider is None:
        from .._providers.sts.parameters import missing_mfa_callback

        raise InvalidConfigurationError(missing_mfa_callback(told), source="assume role")


def _needed(role_arn: object) -> object:
    return "" if role_arn is None else role_arn  # blank is refused, None is left out


def _seconds(duration: timedelta | float | None) -> float | None:
    return None if duration is None else as_seconds("duration", duration)
