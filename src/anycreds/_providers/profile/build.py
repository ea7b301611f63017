"""Builds the providers of a role chain: that of the base source, and one for each role on top of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..._config.client_config import ClientConfig
from ..._config.service_settings import ProfileView
from ..._config.shared_files import NAME, SharedFiles
from ..._core.callbacks import Callbacks, missing_mfa_callback
from ..._core.errors import InvalidConfigurationError
from ..._core.io import Io, Runtime
from ..._core.provider import Provider
from ..._core.validation import InvalidValueError, check_text
from ..service.endpoint_resolution import EndpointResolver
from .base_sources import Base, LoginBase, ProcessBase, SsoBase, StaticBase, WebIdentityBase
from .role_chain import AssumeRoleStep, RoleChain

# Seconds for one exchange with a service, and for a command: some commands call a slow vault.
SERVICE_TIMEOUT, PROCESS_TIMEOUT = 5.0, 60.0

# The kinds of steps that were built in this process, so that what they import is imported.
_has_imported: set[type] = set()


class BuildOptions(NamedTuple):
    """Options that the program gives for all providers of a profile."""

    config: ClientConfig | None = None
    callbacks: Callbacks = Callbacks()
    timeout: float | None = None
    """Seconds for one exchange with a service; None for the default of each provider."""
    metadata: Mapping[str, Any] = MappingProxyType({})
    """``timeout`` and ``max_retries`` of container and EC2 metadata, if they are given."""
    imds: Mapping[str, Any] = MappingProxyType({})
    """Other options for ``credential_source = Ec2InstanceMetadata``."""


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


class ProfileProviderBuilder(NamedTuple):
    """Builds the providers of one profile, which is the selected one at every step."""

    runtime: Runtime
    construct: SourceConstructors
    options: BuildOptions
    files: SharedFiles
    profile: str
    view: ProfileView

    async def build(self, io: Io, chain: RoleChain) -> Provider:
        """Return the provider for a role chain; import what it needs in a thread."""
        kinds = {type(chain.base), *map(type, chain.roles)}
        if kinds <= _has_imported:
            return self.build_now(chain)
        provider = await io.run_in_thread(self.build_now, chain)
        _has_imported.update(kinds)
        return provider

    def build_now(self, chain: RoleChain) -> Provider:
        """Return the provider for a role chain. Access keys import nothing for it."""
        endpoints = EndpointResolver(self.options.config, view=self.view, profile_first=True)
        provider = self._base_provider(chain.base, endpoints)
        for step in chain.roles:
            params = _role_parameters(step)
            description = f"role {step.role_arn.value!r} of profile {step.profile!r} ({step.role_arn.origin})"
            if step.mfa_serial is not None and self.options.callbacks.mfa_code_provider is None:
                raise InvalidConfigurationError(missing_mfa_callback(description), source="assume role")
            provider = self.construct.assume_role(
                self.runtime,
                params=params,
                description=description,
                source=provider,
                source_setting=step.source,
                endpoints=endpoints,
                callbacks=self.options.callbacks,
                timeout=self.options.timeout or SERVICE_TIMEOUT,
            )
        return provider

    def _base_provider(self, base: Base, endpoints: EndpointResolver) -> Provider:
        construct, runtime = self.construct, self.runtime
        timeout = self.options.timeout or SERVICE_TIMEOUT
        if isinstance(base, StaticBase):
            return construct.static(runtime, base.profile, base.settings)
        if isinstance(base, ProcessBase):
            account_id = None if base.account_id is None else base.account_id.value
            return construct.process(runtime, base.command, account_id, timeout=self.options.timeout or PROCESS_TIMEOUT)
        if isinstance(base, WebIdentityBase):
            return construct.web_identity(
                runtime,
                token_file=base.token_file,
                role_arn=base.role_arn,
                session_name=base.session_name,
                params={} if base.duration is None else {"DurationSeconds": base.duration},
                assumer=self.options.callbacks.role_assumer_with_web_identity,
                only_options=True,  # settings of a profile are never mixed with environment variables
                endpoints=endpoints,
                timeout=timeout,
            )
        if isinstance(base, SsoBase):
            return construct.sso(runtime, base.settings, endpoints, timeout=timeout)
        if isinstance(base, LoginBase):
            return construct.login(runtime, base.session, endpoints, base.profile, timeout=timeout)
        if base.source == "Environment":
            return construct.environment(runtime)
        if base.source == "EcsContainer":
            return construct.container(runtime, **self.options.metadata)
        options = {**self.options.imds, **self.options.metadata}
        return construct.instance_metadata(runtime, files=self.files, profile=self.profile, **options)


def _role_parameters(step: AssumeRoleStep) -> dict[str, Any]:
    """Return the parameters of AssumeRole."""
    settings = {
        "RoleArn": step.role_arn,
        "RoleSessionName": step.session_name,
        "ExternalId": step.external_id,
        "SerialNumber": step.mfa_serial,
    }
    params: dict[str, Any] = {}
    for name, setting in settings.items():
        if setting is None:
            continue
        try:
            params[name] = check_text(setting.value)
        except InvalidValueError as error:
            message = f"profile {step.profile!r}: {name} {error} ({setting.origin})"
            raise InvalidConfigurationError(message, source=NAME) from None
    if step.duration is not None:
        params["DurationSeconds"] = step.duration
    return params
