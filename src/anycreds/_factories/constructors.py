"""The constructors of the sources that profiles can name, one function each. Each imports its source when it is called.

A thread calls them, since importing takes milliseconds. Only the source of the environment is always imported already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._providers.environment import EnvironmentProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._config.service_settings import ProfileViews
    from .._config.settings import Setting
    from .._core.callbacks import Callbacks
    from .._core.io import Runtime
    from .._core.provider import Provider
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sso.settings import SsoSettings
    from .._providers.sts.parameters import Params


def environment(runtime: Runtime) -> Provider:
    """Construct the provider of access keys in environment variables."""
    return EnvironmentProvider(runtime)


def process(runtime: Runtime, command: Setting, account_id: str | None, *, timeout: float) -> Provider:
    """Construct the provider of what a command prints."""
    from .._providers.process.provider import ProcessProvider

    return ProcessProvider(runtime, command, account_id, timeout=timeout)


def container(runtime: Runtime, options: Mapping[str, Setting] | None = None, **limits: Any) -> Provider:
    """Construct the provider of a container's credentials; the limits are ``timeout`` and ``max_retries``."""
    from .._providers.container.provider import ContainerProvider

    return ContainerProvider(runtime, options, **limits)


def instance_metadata(
    runtime: Runtime,
    *,
    files: ProfileViews,
    profile: str | None = None,
    **options: Any,
) -> Provider:
    """Construct the provider of an EC2 instance's credentials; the other options are those of ``ImdsOptions``."""
    from .._providers.imds.provider import InstanceMetadataProvider
    from .._providers.imds.settings import ImdsOptions

    return InstanceMetadataProvider(runtime, ImdsOptions(**options), files=files, profile=profile)


def sso(runtime: Runtime, settings: SsoSettings, endpoints: EndpointResolver, *, timeout: float) -> Provider:
    """Construct the provider of a role in IAM Identity Center."""
    from .._providers.sso.provider import SsoProvider

    return SsoProvider(runtime, settings, endpoints, timeout=timeout)


def login(runtime: Runtime, session: Setting, endpoints: EndpointResolver, profile: str, *, timeout: float) -> Provider:
    """Construct the provider of a session of ``aws login``."""
    from .._providers.login.provider import LoginProvider

    return LoginProvider(runtime, session, endpoints, profile, timeout=timeout)


def web_identity(runtime: Runtime, *, endpoints: EndpointResolver, timeout: float, **options: Any) -> Provider:
    """Construct the provider of a role for a web identity token; the options are those of ``WebIdentityOptions``."""
    from .._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider

    return WebIdentityProvider(runtime, WebIdentityOptions(**options), endpoints, timeout=timeout)


def assume_role(
    runtime: Runtime,
    *,
    params: Params,
    description: str,
    source: Provider,
    source_setting: str = "",
    endpoints: EndpointResolver,
    callbacks: Callbacks,
    timeout: float,
) -> Provider:
    """Construct the provider of a role with the credentials of a source."""
    from .._providers.sts.assume_role import AssumeRoleProvider, Role

    role = Role(params, description, source_setting)
    return AssumeRoleProvider(runtime, role, source, endpoints, callbacks=callbacks, timeout=timeout)
