"""From a plan to the provider that carries it out: the base, and one provider more for each role on top of it."""

from __future__ import annotations

from typing import Any

from ..._config.service_settings import ProfileView
from ..._config.settings import Setting
from ..._config.shared_files import NAME, SharedFiles
from ..._core.errors import InvalidConfigurationError
from ..._core.io import Runtime
from ..._core.provider import Provider
from ..._core.validation import InvalidValueError, check_text
from ..container import ContainerProvider
from ..environment import EnvironmentProvider
from ..imds.provider import InstanceMetadataProvider
from ..login.provider import LoginProvider
from ..process import ProcessProvider
from ..service.endpoint_resolution import EndpointResolver
from ..sso.provider import SsoProvider
from ..static import StaticProvider
from ..sts.assume_role import AssumeRoleProvider, Role
from ..sts.web_identity import WebIdentityOptions, WebIdentityProvider
from .base_sources import LoginBase, NamedBase, ProcessBase, SsoBase, StaticBase, WebIdentityBase
from .options import BuildOptions
from .role_chain import Plan, RoleStep

# Seconds, for one exchange with a service, and for a process: some of these ask a slow vault.
SERVICE_TIME, PROCESS_TIME = 5.0, 60.0


class Builder:
    """Makes the providers of one profile."""

    __slots__ = ("_endpoints", "_files", "_name", "_options", "_runtime")

    def __init__(
        self, runtime: Runtime, options: BuildOptions, files: SharedFiles, name: str, view: ProfileView | None = None
    ) -> None:
        """``name`` is the selected profile, and ``view`` what it says: that holds for every step."""
        self._runtime = runtime
        self._options = options
        self._files = files
        self._name = name
        self._endpoints = EndpointResolver(options.config, view=view or ProfileView())

    def build(self, plan: Plan) -> Provider | InvalidConfigurationError:
        """Return the provider for a plan, or why it can be none."""
        try:
            provider = self._base(plan)
            for step in plan.roles:
                role = _role(step)
                if isinstance(role, InvalidConfigurationError):
                    return role
                provider = AssumeRoleProvider(
                    self._runtime,
                    role,
                    provider,
                    self._endpoints,
                    callbacks=self._options.callbacks,
                    timeout=self._options.timeout or SERVICE_TIME,
                )
        except InvalidConfigurationError as error:  # by a provider that cannot be made like this
            return error.with_traceback(None)
        return provider

    def _base(self, plan: Plan) -> Provider:
        base = plan.base
        timeout = self._options.timeout or SERVICE_TIME
        if isinstance(base, StaticBase):
            return StaticProvider(self._runtime, base.profile, base.settings)
        if isinstance(base, ProcessBase):
            return self.process(base)
        if isinstance(base, WebIdentityBase):
            return self._web_identity(base)
        if isinstance(base, SsoBase):
            return SsoProvider(self._runtime, base.settings, self._endpoints, timeout=timeout)
        if isinstance(base, LoginBase):
            return LoginProvider(self._runtime, base.session, self._endpoints, base.profile, timeout=timeout)
        return self._named(base)

    def process(self, base: ProcessBase) -> ProcessProvider:
        """Return the provider for a command."""
        account_id = None if base.account_id is None else base.account_id.value
        timeout = self._options.timeout or PROCESS_TIME
        return ProcessProvider(self._runtime, base.command, account_id, timeout=timeout)

    def _web_identity(self, base: WebIdentityBase) -> WebIdentityProvider:
        options = WebIdentityOptions(
            token_file=base.token_file,
            role_arn=base.role_arn,
            session_name=base.session_name,
            params={} if base.duration is None else {"DurationSeconds": base.duration},
            assumer=self._options.callbacks.role_assumer_with_web_identity,
            only_options=True,
        )
        timeout = self._options.timeout or SERVICE_TIME
        return WebIdentityProvider(self._runtime, options, self._endpoints, timeout=timeout)

    def _named(self, base: NamedBase) -> Provider:
        if base.source == "Environment":
            return EnvironmentProvider(self._runtime)
        if base.source == "EcsContainer":
            return ContainerProvider(self._runtime)
        given = self._options.metadata or {}
        return InstanceMetadataProvider(self._runtime, files=self._files, profile=self._name, **given)


def _role(step: RoleStep) -> Role | InvalidConfigurationError:
    settings = {
        "RoleArn": step.role_arn,
        "RoleSessionName": step.session_name,
        "ExternalId": step.external_id,
        "SerialNumber": step.mfa_serial,
    }
    given: dict[str, Setting] = {name: setting for name, setting in settings.items() if setting is not None}
    for name, setting in given.items():
        try:
            check_text(setting.value, field=name)
        except InvalidValueError as error:
            message = f"profile {step.profile!r}: {error} ({setting.origin})"
            return InvalidConfigurationError(message, source=NAME)
    params: dict[str, Any] = {name: setting.value for name, setting in given.items()}
    if step.duration is not None:
        params["DurationSeconds"] = step.duration
    told = f"role {step.role_arn.value!r} of profile {step.profile!r} ({step.role_arn.origin})"
    return Role(params, told, step.source)
