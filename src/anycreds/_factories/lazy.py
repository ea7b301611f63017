"""How the factories make their providers when these are first asked: of options that the factories have checked.

What a provider stands on is loaded then, by a thread, as that takes 10 ms and more: too long for an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._core.provider import WHOLE_CONTEXT
from .._core.validation import check_timeout_and_retries
from .links import Later
from .runtime import RUNTIME

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from .._config.client_config import ClientConfig
    from .._config.shared_files import SharedFiles
    from .._core.io import Runtime
    from .._core.provider import Provider
    from .._providers.sso.settings import SsoSettings
    from .._providers.sts.parameters import Params

    Path = str | os.PathLike[str] | None
    Files = tuple[Path, Path, bool]
    """The credentials file, the config file, and whether both are read at every call."""


def later(
    name: str,
    build: Callable[..., Provider],
    *,
    may_prompt_user: bool = False,
    context_fields: frozenset[str] = WHOLE_CONTEXT,
    **options: Any,
) -> Provider:
    """Return what becomes the provider of this name; see ``Later``."""
    return Later(name, RUNTIME, build, options, may_prompt_user=may_prompt_user, context_fields=context_fields)


def refuse_limits(name: str, timeout: object, max_retries: object = 0) -> None:
    """Raise ``InvalidConfigurationError`` for limits that can be none."""
    check_timeout_and_retries(timeout, max_retries, name)


def of_profile(
    kind: str, profile: str | None, files: Files, timeout: float | None, config: ClientConfig | None = None
) -> Provider:
    """Return what becomes one of those for one kind of setting in a profile, by the name of its class."""
    if timeout is not None:
        refuse_limits("shared files", timeout)
    return later("shared files", by_profile, kind=kind, profile=profile, files=files, config=config, timeout=timeout)


def by_profile(
    runtime: Runtime,
    *,
    kind: str,
    profile: str | None,
    files: Files,
    config: ClientConfig | None = None,
    callbacks: tuple[Any, ...] = (),
    timeout: float | None,
) -> Provider:
    """Make one for a profile, by the name of its class."""
    from .._core.callbacks import Callbacks
    from .._providers.profile import single_source
    from .._providers.profile.options import BuildOptions

    made: Provider = getattr(single_source, kind)(
        runtime, profile, files=_shared(*files), options=BuildOptions(config, Callbacks(*callbacks), timeout)
    )
    return made


def sso(
    runtime: Runtime,
    *,
    settings: SsoSettings,
    profile: str | None,
    files: Files,
    config: ClientConfig | None,
    timeout: float,
) -> Provider:
    """Make the one for SSO by options."""
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sso.provider import SsoProvider

    return SsoProvider(
        runtime, settings, EndpointResolver(config, files=_shared(*files), profile=profile), timeout=timeout
    )


def metadata(runtime: Runtime, **options: Any) -> Provider:
    """Make the one for EC2 metadata."""
    from .._providers.imds.provider import InstanceMetadataProvider

    return InstanceMetadataProvider(runtime, **options)


def role(
    runtime: Runtime,
    *,
    params: Params,
    told: str,
    source: Provider,
    mfa_code_provider: Any,
    config: ClientConfig | None,
    timeout: float,
) -> Provider:
    """Make the one for a role."""
    from .._core.callbacks import Callbacks
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sts.assume_role import AssumeRoleProvider, Role

    endpoints = EndpointResolver(config, files=_shared())
    return AssumeRoleProvider(
        runtime, Role(params, told), source, endpoints, callbacks=Callbacks(mfa_code_provider), timeout=timeout
    )


def web_identity(runtime: Runtime, *, config: ClientConfig | None, timeout: float, **options: Any) -> Provider:
    """Make the one for a web identity token; the options are those of ``WebIdentityOptions``."""
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider

    endpoints = EndpointResolver(config, files=_shared())
    return WebIdentityProvider(runtime, WebIdentityOptions(**options), endpoints, timeout=timeout)


def cognito(
    runtime: Runtime,
    *,
    identity: str,
    custom_role_arn: str | None,
    logins: Mapping[str, Any] | None,
    config: ClientConfig | None,
    timeout: float,
    **pool: Any,
) -> Provider:
    """Make the one for a Cognito identity; with what else a pool takes, the one for a pool."""
    from .._providers.cognito.provider import CognitoIdentityPoolProvider, CognitoIdentityProvider, CognitoOptions
    from .._providers.service.endpoint_resolution import EndpointResolver

    options, endpoints = CognitoOptions(custom_role_arn, logins, timeout), EndpointResolver(config, files=_shared())
    if pool:
        return CognitoIdentityPoolProvider(runtime, identity, endpoints, options, **pool)
    return CognitoIdentityProvider(runtime, identity, endpoints, options)


def _shared(filepath: Path = None, config_filepath: Path = None, ignore_cache: bool = False) -> SharedFiles:
    from .._config.shared_files import FileOptions, SharedFiles

    return SharedFiles(FileOptions(filepath, config_filepath, ignore_cache))
