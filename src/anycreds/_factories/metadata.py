"""Factories for what is near this program: container and EC2 metadata, and any HTTP endpoint like them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.errors import InvalidConfigurationError, strip_frames
from .._core.provider import Provider
from . import lazy, links

if TYPE_CHECKING:
    import os


def from_container_metadata(*, timeout: float = 1.0, max_retries: int = 0) -> Provider:
    """Get credentials where ECS and EKS say, by the ``AWS_CONTAINER_*`` variables.

    ``timeout`` is in seconds, for one HTTP exchange; ``max_retries`` counts further tries after passing failures.
    Follows the AWS "SDKs and Tools" reference, page "Container credential provider".

    Awaiting it raises ``NotConfiguredError`` if no URI is set, ``ForbiddenEndpointError`` if credentials may not come
    from there, ``InvalidConfigurationError`` for a token or URI that cannot be right, else a ``RetrievalError``.
    """
    lazy.refuse_limits("container credentials", timeout, max_retries)
    return lazy.later(
        "container credentials",
        links.container,
        context_fields=frozenset(),
        timeout=timeout,
        max_retries=max_retries,
    )


def from_http(
    *,
    full_uri: str | None = None,
    relative_uri: str | None = None,
    authorization_token: str | None = None,
    authorization_token_file: str | os.PathLike[str] | None = None,
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
    from .._providers.container_settings import container_options

    try:
        lazy.refuse_limits("container credentials", timeout, max_retries)
        given: dict[str, Any] = {
            "full_uri": full_uri,
            "relative_uri": relative_uri,
            "authorization_token": authorization_token,
            "authorization_token_file": authorization_token_file,
        }
        try:
            container_options(given, "container credentials")
        except InvalidConfigurationError as error:
            strip_frames(error)
            given = {}
            raise
    finally:
        del full_uri, relative_uri, authorization_token, authorization_token_file
    return lazy.later(
        "container credentials",
        links.container,
        context_fields=frozenset(),
        **given,
        timeout=timeout,
        max_retries=max_retries,
    )


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
    lazy.refuse_limits("EC2 instance metadata", timeout, max_retries)
    return lazy.later(
        "EC2 instance metadata",
        lazy.metadata,
        context_fields=frozenset({"profile"}),  # the profile's settings for the metadata service
        endpoint=endpoint,
        endpoint_mode=endpoint_mode,
        ec2_metadata_v1_disabled=ec2_metadata_v1_disabled,
        timeout=timeout,
        max_retries=max_retries,
    )
