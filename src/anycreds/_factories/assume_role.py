"""Factory for the credentials of a role from STS, with the credentials of a source."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .._config.client_config import check_client_config
from .._core.errors import InvalidConfigurationError
from .._core.provider import Provider
from .._core.validation import check_timeout_and_retries
from . import constructors
from .default_chain import from_default_chain
from .factory_call import picklable
from .files import Files
from .lazy import LazyProvider, endpoint_resolver
from .runtime import RUNTIME, as_source_provider
from .sts_options import checked_parameters, required

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from .._config.client_config import ClientConfig
    from .._core.callbacks import MfaCodeProvider
    from .._core.credentials import Credentials
    from .._core.io import Runtime
    from .._core.provider import ContextFunction, CredentialProvider
    from .._providers.service.endpoint_resolution import EndpointResolver

_NAME = "assume role"
_resolvers: WeakValueDictionary[tuple[int, ClientConfig | None], EndpointResolver] = WeakValueDictionary()


@picklable
def from_temporary_credentials(
    role_arn: str,
    *,
    source_credentials: CredentialProvider | ContextFunction | Credentials | None = None,
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
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of the credentials of a role, from STS (AssumeRole) with the credentials of a source.

    Args:
        role_arn: The ARN of the role.
        source_credentials: A provider, an async function as in ``cached``, or ``Credentials``. Providers can be each
            other's source, to any depth. Default: None, the default chain.
        role_session_name: The name of the session. Default: None, ``anycreds-`` and the time.
        duration: How long the session lasts: a timedelta or a number of seconds, 15 minutes to 12 hours, and at most
            one hour if the source is a role. Default: None, STS decides (one hour).
        external_id: The external ID that the role's trust policy requires. Default: None.
        policy: A session policy, as JSON text. Default: None.
        policy_arns: ARNs of managed session policies. Default: None.
        tags: Session tags. Default: None.
        transitive_tag_keys: The keys of those tags that further roles inherit. Default: None.
        source_identity: The source identity of the session. Default: None.
        provided_contexts: Context assertions by the ARN of their provider. Default: None.
        serial_number: The serial number or ARN of the MFA device that the role requires. Default: None.
        mfa_code_provider: An async function that takes the serial number and returns the current code of the device.
            It is called after the source has credentials, and has five minutes. Default: None.
        client_config: How STS is called. Default: the settings of the environment and the selected profile.
        timeout: Seconds for one HTTP exchange. Default: 5.
        include_secrets: Whether the provider can be pickled although it has ``Credentials`` or ``provided_contexts``.
            The pickle then contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: the source has nothing configured.
        RetrievalError: When awaited: STS rejected the request (``code`` says why) or failed.
        CredentialsError: When awaited: what the source raises.

    See:
        AWS Security Token Service API Reference, "AssumeRole":
        https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html

    """
    if source_credentials is None:
        source_credentials = from_default_chain()
    params = checked_parameters(
        RoleArn=required(role_arn),
        RoleSessionName=role_session_name,
        duration=duration,
        ExternalId=external_id,
        Policy=policy,
        PolicyArns=policy_arns,
        Tags=tags,
        TransitiveTagKeys=transitive_tag_keys,
        SourceIdentity=source_identity,
        ProvidedContexts=provided_contexts,
        SerialNumber=serial_number,
    )
    source, description = as_source_provider(source_credentials), f"role {role_arn!r}"
    check_client_config(client_config)
    check_timeout_and_retries(timeout, 0, _NAME)
    if serial_number is not None and mfa_code_provider is None:
        from .._core.callbacks import missing_mfa_callback

        raise InvalidConfigurationError(missing_mfa_callback(description), source=_NAME)
    build = partial(
        _build_temporary_credentials,
        RUNTIME,
        params=params,
        description=description,
        source=source,
        mfa_code_provider=mfa_code_provider,
        client_config=client_config,
        timeout=timeout,
    )
    may_prompt_user = serial_number is not None or source._may_prompt_user
    return LazyProvider(_NAME, RUNTIME, build, may_prompt_user=may_prompt_user)


def _build_temporary_credentials(
    runtime: Runtime,
    *,
    source: Provider,
    mfa_code_provider: MfaCodeProvider | None,
    client_config: ClientConfig | None,
    **options: Any,
) -> Provider:
    from .._core.callbacks import Callbacks

    endpoints = _shared_resolver(source, client_config)
    callbacks = Callbacks(mfa_code_provider)
    return constructors.assume_role(runtime, source=source, endpoints=endpoints, callbacks=callbacks, **options)


def _shared_resolver(source: Provider, config: ClientConfig | None) -> EndpointResolver:
    """Return what all roles with this source and these options use: they read the same files, and warn once."""
    key = id(source), config  # each role that has the resolver has the source, too
    try:
        return _resolvers.get(key) or _resolvers.setdefault(key, endpoint_resolver(config, Files()))
    except TypeError:  # the config has a function or an SSL context that is not hashable
        return endpoint_resolver(config, Files())
