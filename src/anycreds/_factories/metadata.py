"""Factories for credentials from metadata services: containers, EC2 instances, and HTTP endpoints like them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .._core.provider import Provider
from .._core.validation import check_timeout_and_retries
from . import constructors
from .factory_call import picklable
from .files import Files
from .lazy import LazyProvider, profile_field
from .runtime import RUNTIME

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .._config.settings import Setting
    from .._core.io import Runtime

_CONTAINER = "container credentials"
_INSTANCE = "EC2 instance metadata"


@picklable
def from_container_metadata(*, timeout: float = 1.0, max_retries: int = 0) -> Provider:
    """Return a provider of the credentials of an ECS task or an EKS pod, from the ``AWS_CONTAINER_*`` variables.

    Args:
        timeout: Seconds for one HTTP exchange. Default: 1.
        max_retries: How often a transient failure is retried. Default: 0.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: the URI or the token is invalid.
        NotConfiguredError: When awaited: no URI is set.
        ForbiddenEndpointError: When awaited: AWS's rules do not allow credentials from the host of the URI.
        RetrievalError: When awaited: the endpoint failed, or its response contains no credentials.

    See:
        AWS SDKs and Tools Reference Guide, "Container credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html

    """
    return container_provider(RUNTIME, timeout=timeout, max_retries=max_retries)


@picklable
def from_http(
    *,
    full_uri: str | None = None,
    relative_uri: str | None = None,
    authorization_token: str | None = None,
    authorization_token_file: str | os.PathLike[str] | None = None,
    timeout: float = 1.0,
    max_retries: int = 3,
    include_secrets: bool = False,  # noqa: ARG001 - see `picklable`
) -> Provider:
    """Return a provider of credentials from an HTTP endpoint that responds like that of a container.

    If one of the first four options is given, the ``AWS_CONTAINER_*`` variables are ignored; otherwise only they count.

    Args:
        full_uri: The URL of the endpoint: https to any host, or http to this machine, ECS or EKS. Default: None.
        relative_uri: A path on the ECS agent, instead of ``full_uri``. Default: None.
        authorization_token: The value of the ``Authorization`` header. Default: None, no header.
        authorization_token_file: A file that contains the token, which is read at every attempt. Default: None.
        timeout: Seconds for one HTTP exchange. Default: 1.
        max_retries: How often a transient failure is retried. Default: 3.
        include_secrets: Whether the provider can be pickled although an option is secret. The pickle then
            contains the secret. Default: False, pickling raises an error.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: Options are invalid or contradict each other.
        NotConfiguredError: When awaited: neither an option nor a variable names an endpoint.
        ForbiddenEndpointError: When awaited: AWS's rules do not allow credentials from the host of the URL.
        RetrievalError: When awaited: the endpoint failed, or its response contains no credentials.

    See:
        AWS SDKs and Tools Reference Guide, "Container credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html

    """
    from .._providers.container.settings import container_options

    options = container_options(
        {
            "full_uri": full_uri,
            "relative_uri": relative_uri,
            "authorization_token": authorization_token,
            "authorization_token_file": authorization_token_file,
        }
    )
    return container_provider(RUNTIME, options, timeout=timeout, max_retries=max_retries)


@picklable
def from_instance_metadata(
    *,
    profile: str | None = None,
    endpoint: str | None = None,
    endpoint_mode: str | None = None,
    ec2_metadata_v1_disabled: bool | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
) -> Provider:
    """Return a provider of the credentials of the role that is attached to this EC2 instance (IMDSv2).

    During an outage of the metadata service a cached provider returns expired credentials, with ``expiration`` 5 to 10
    minutes ahead and ``original_expiration`` set (static stability).

    Args:
        profile: The name of the profile whose ``*metadata_*`` settings count. Default: ``AWS_PROFILE``, otherwise
            ``default``.
        endpoint: The URL of the metadata service. Default: ``AWS_EC2_METADATA_SERVICE_ENDPOINT`` or the profile's
            ``ec2_metadata_service_endpoint``, otherwise ``http://169.254.169.254``.
        endpoint_mode: ``"IPv4"`` or ``"IPv6"``, if no endpoint is set. Default:
            ``AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`` or the profile's ``ec2_metadata_service_endpoint_mode``,
            otherwise IPv4.
        ec2_metadata_v1_disabled: True to never use IMDSv1; False to use it also if the token request times out, unless
            ``AWS_EC2_METADATA_V1_DISABLED`` or the profile's ``ec2_metadata_v1_disabled`` disable it. Default: these
            two settings; without them IMDSv1 is used only if the service responds that it has no tokens.
        timeout: Seconds for one HTTP exchange. Default: ``AWS_METADATA_SERVICE_TIMEOUT`` or the profile's
            ``metadata_service_timeout``, otherwise 1.
        max_retries: How often a transient failure is retried. Default: ``AWS_METADATA_SERVICE_NUM_ATTEMPTS`` or the
            profile's ``metadata_service_num_attempts``, minus 1; otherwise 0.

    Returns:
        A provider. It is not cached; see ``cached``.

    Raises:
        InvalidConfigurationError: An option is invalid. When awaited: a setting is invalid.
        MetadataUnreachableError: When awaited: the service has never responded; this is probably not an instance.
        NotConfiguredError: When awaited: no role is attached, or ``AWS_EC2_METADATA_DISABLED`` is true.
        RetrievalError: When awaited: the service failed, or its response contains no credentials.

    See:
        AWS SDKs and Tools Reference Guide, "IMDS credential provider":
        https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html

    """
    return instance_metadata_provider(
        RUNTIME,
        files=Files(),
        profile=profile,
        endpoint=endpoint,
        endpoint_mode=endpoint_mode,
        ec2_metadata_v1_disabled=ec2_metadata_v1_disabled,
        timeout=timeout,
        max_retries=max_retries,
    )


def container_provider(
    runtime: Runtime, options: Mapping[str, Setting] | None = None, *, timeout: float = 1.0, max_retries: int = 0
) -> Provider:
    """Return the provider of a container's credentials; ``options`` are the checked options of ``from_http``."""
    check_timeout_and_retries(timeout, max_retries, _CONTAINER)
    build = partial(constructors.container, runtime, options, timeout=timeout, max_retries=max_retries)
    return LazyProvider(_CONTAINER, runtime, build, context_fields=frozenset())


def instance_metadata_provider(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    timeout: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Provider:
    """Return the provider of an instance's credentials; the other options are those of ``from_instance_metadata``."""
    check_timeout_and_retries(1.0 if timeout is None else timeout, 0 if max_retries is None else max_retries, _INSTANCE)
    build = partial(
        constructors.instance_metadata,
        runtime,
        files=files,
        profile=profile,
        timeout=timeout,
        max_retries=max_retries,
        **options,
    )
    return LazyProvider(_INSTANCE, runtime, build, context_fields=profile_field(profile))
