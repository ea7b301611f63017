"""Builds the providers of a role chain: that of the base source, and one for each role on top of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..._config.service_settings import ProfileView
from ..._config.settings import Setting
from ..._config.shared_files import NAME, SharedFiles
from ..._core.errors import InvalidConfigurationError
from ..._core.io import Io, Runtime
from ..._core.provider import Provider
from ..._core.validation import InvalidValueError, check_text
from ..service.endpoint_resolution import EndpointResolver
from ..sts.parameters import missing_mfa_callback
from .base_sources import Base, LoginBase, ProcessBase, SsoBase, StaticBase, WebIdentityBase
from .options import BuildOptions
from .role_chain import AssumeRoleStep, RoleChain

# Seconds for one exchange with a service, and for a command: some commands call a slow vault.
SERVICE_TIMEOUT, PROCESS_TIMEOUT = 5.0, 60.0

# The kinds of steps that were built in this process, so that what they import is imported.
_has_imported: set[type] = set()


class SourceConstructors(NamedTuple):
    """Functions that construct the providers of the sources. Each imports its source when it is called.

    The factories provide them, so that every provider is constructed in one place.
    """

    environment: Callable[..., Provider]
    static: Callable[..., Provider]
    process: Callable[..., Provider]
    container: Callable[..., Provider]
    instance_metadata: Callable[..., Provider]
    sso: Callable[..., Provider]
    login: Callable[..., Provider]
    web_identity: Callable[..., Provider]
    assume_role: Callable[..., Provider]


class ProfileProviderBuilder:
    """Builds the providers of one profile.

    Args:
        runtime: What they run on.
        constructors: How they are constructed.
        options: The program's options for all of them.
        files: The shared files, for what EC2 metadata reads in them.
        profile: The name of the selected profile, which holds for every step.
        view: The settings of service calls in the selected profile.

    """

    __slots__ = ("_construct", "_endpoints", "_files", "_options", "_profile", "_runtime")

    def __init__(
        self,
        runtime: Runtime,
        constructors: SourceConstructors,
        *,
        options: BuildOptions,
        files: SharedFiles,
        profile: str,
        view: ProfileView,
    ) -> None:
        self._runtime = runtime
        self._construct = constructors
        self._options = options
        self._files = files
        self._profile = profile
        self._endpoints = EndpointResolver(options.config, view=view, profile_first=True)

    async def build(self, io: Io, chain: RoleChain) -> Provider:
        """Return the provider for a role chain; import what it needs in a thread."""
        kinds = {type(chain.base), *map(type, chain.roles)}
        if kinds <= _has_imported:
            return self._build(chain)
        provider = await io.run_in_thread(self._build, chain)
        _has_imported.update(kinds)
        return provider

    def _build(self, chain: RoleChain) -> Provider:
        provider = self._base_constructor(chain.base)()
        for step in chain.roles:
            params = _role_parameters(step)
            description = f"role {step.role_arn.value!r} of profile {step.profile!r} ({step.role_arn.origin})"
            if step.mfa_serial is not None and self._options.callbacks.mfa_code_provider is None:
                raise InvalidConfigurationError(missing_mfa_callback(description), source="assume role")
            provider = self._construct.assume_role(
                self._runtime,
                params=params,
                description=description,
                source=provider,
                source_setting=step.source,
                endpoints=self._endpoints,
                callbacks=self._options.callbacks,
                timeout=self._options.timeout or SERVICE_TIMEOUT,
            )
        return provider

    def _base_constructor(self, base: Base) -> Callable[[], Provider]:
        construct, runtime, endpoints = self._construct, self._runtime, self._endpoints
        timeout = self._options.timeout or SERVICE_TIMEOUT
        if isinstance(base, StaticBase):
            return partial(construct.static, runtime, base.profile, base.settings)
        if isinstance(base, ProcessBase):
            account_id = None if base.account_id is None else base.account_id.value
            return partial(
                construct.process, runtime, base.command, account_id, timeout=self._options.timeout or PROCESS_TIMEOUT
            )
        if isinstance(base, WebIdentityBase):
            return partial(
                construct.web_identity,
                runtime,
                token_file=base.token_file,
                role_arn=base.role_arn,
                session_name=base.session_name,
                params={} if base.duration is None else {"DurationSeconds": base.duration},
                assumer=self._options.callbacks.role_assumer_with_web_identity,
                only_options=True,  # settings of a profile are never mixed with environment variables
                endpoints=endpoints,
                timeout=timeout,
            )
        if isinstance(base, SsoBase):
            return partial(construct.sso, runtime, base.settings, endpoints, timeout=timeout)
        if isinstance(base, LoginBase):
            return partial(construct.login, runtime, base.session, endpoints, base.profile, timeout=timeout)
        if base.source == "Environment":
            return partial(construct.environment, runtime)
        if base.source == "EcsContainer":
            return partial(construct.container, runtime, **self._options.metadata)
        options = {**self._options.imds, **self._options.metadata}
        return partial(construct.instance_metadata, runtime, files=self._files, profile=self._profile, **options)


def _role_parameters(step: AssumeRoleStep) -> dict[str, Any]:
    """Return the parameters of AssumeRole."""
    settings = {
        "RoleArn": step.role_arn,
        "RoleSessionName": step.session_name,
        "ExternalId": step.external_id,
        "SerialNumber": step.mfa_serial,
    }
    given: dict[str, Setting] = {name: setting for name, setting in settings.items() if setting is not None}
    for name, setting in given.items():
        try:
            check_text(setting.value)
        except InvalidValueError as error:
            message = f"profile {step.profile!r}: {name} {error} ({setting.origin})"
            raise InvalidConfigurationError(message, source=NAME) from None
    params: dict[str, Any] = {name: setting.value for name, setting in given.items()}
    if step.duration is not None:
        params["DurationSeconds"] = step.duration
    return params
