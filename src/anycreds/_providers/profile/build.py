"""From a plan to the provider that carries it out: the base, and one provider more for each role on top of it."""

from __future__ import annotations

from typing import Any

from ..._config.service_settings import ProfileView
from ..._config.settings import Setting
from ..._config.shared_files import NAME, SharedFiles
from ..._core.callbacks import BuildOptions
from ..._core.credentials import problem_with
from ..._core.errors import InvalidConfigurationError
from ..._core.io import World
from ..._core.provider import Provider
from ..container import ContainerProvider
from ..environment import EnvironmentProvider
from ..imds.provider import InstanceMetadataProvider
from ..login.provider import LoginProvider
from ..process import ProcessProvider
from ..service.endpoint_resolution import Places
from ..sso.provider import SsoProvider
from ..static import StaticProvider
from ..sts.assume_role import AssumeRoleProvider, Role
from ..sts.web_identity import WebIdentityOptions, WebIdentityProvider
from .base_sources import LoginBase, NamedBase, ProcessBase, SsoBase, StaticBase, WebIdentityBase
from .role_chain import Plan, RoleStep

# Seconds, for one exchange with a service, and for a process: some of these ask a slow vault.
SERVICE_TIME, PROCESS_TIME = 5.0, 60.0


class Builder:
    """Makes the providers of one profile."""

    __slots__ = ("_files", "_name", "_options", "_places", "_world")

    def __init__(
        self, world: World, options: BuildOptions, files: SharedFiles, name: str, view: ProfileView | None = None
    ) -> None:
        """``name`` is the selected profile, and ``view`` what it says: that holds for every step."""
        self._world = world
        self._options = options
        self._files = files
        self._name = name
        self._places = Places(options.config, view=view or ProfileView())

    def build(self, plan: Plan) -> Provider | InvalidConfigurationError:
        """Return the provider for a plan, or why it can be none."""
        try:
            provider = self._base(plan)
            for step in plan.roles:
                role = _role(step)
                if isinstance(role, InvalidConfigurationError):
                    return role
                provider = AssumeRoleProvider(
                    self._world,
                    role,
                    provider,
                    self._places,
                    hooks=self._options.hooks,
                    timeout=self._options.timeout or SERVICE_TIME,
                )
        except InvalidConfigurationError as error:  # by a provider that cannot be made like this
            return error.with_traceback(None)
        return provider

    def _base(self, plan: Plan) -> Provider:
        base = plan.base
        timeout = self._options.timeout or SERVICE_TIME
        if isinstance(base, StaticBase):
            return StaticProvider(self._world, base.profile, base.settings)
        if isinstance(base, ProcessBase):
            return self.process(base)
        if isinstance(base, WebIdentityBase):
            return self._web_identity(base)
        if isinstance(base, SsoBase):
            return SsoProvider(self._world, base.settings, self._places, timeout=timeout)
        if isinstance(base, LoginBase):
            return LoginProvider(self._world, base.session, self._places, base.profile, timeout=timeout)
        return self._named(base)

    def process(self, base: ProcessBase) -> ProcessProvider:
        """Return the provider for a command."""
        account_id = None if base.account_id is None else base.account_id.value
        timeout = self._options.timeout or PROCESS_TIME
        return ProcessProvider(self._world, base.command, account_id, timeout=timeout)

    def _web_identity(self, base: WebIdentityBase) -> WebIdentityProvider:
        options = WebIdentityOptions(
            token_file=base.token_file,
            role_arn=base.role_arn,
            session_name=base.session_name,
            params={} if base.duration is None else {"DurationSeconds": base.duration},
            assumer=self._options.hooks.role_assumer_with_web_identity,
            only_options=True,
        )
        timeout = self._options.timeout or SERVICE_TIME
        return WebIdentityProvider(self._world, options, self._places, timeout=timeout)

    def _named(self, base: NamedBase) -> Provider:
        if base.source == "Environment":
            return EnvironmentProvider(self._world)
        if base.source == "EcsContainer":
            return ContainerProvider(self._world)
        given = self._options.metadata or {}
        return InstanceMetadataProvider(self._world, files=self._files, profile=self._name, **given)


def _role(step: RoleStep) -> Role | InvalidConfigurationError:
    settings = {
        "RoleArn": step.role_arn,
        "RoleSessionName": step.session_name,
        "ExternalId": step.external_id,
        "SerialNumber": step.mfa_serial,
    }
    given: dict[str, Setting] = {name: setting for name, setting in settings.items() if setting is not None}
    for name, setting in given.items():
        if problem := problem_with(setting.value):
            message = f"profile {step.profile!r}: {name} {problem} ({setting.origin})"
            return InvalidConfigurationError(message, source=NAME)
    params: dict[str, Any] = {name: setting.value for name, setting in given.items()}
    if step.duration is not None:
        params["DurationSeconds"] = step.duration
    told = f"role {step.role_arn.value!r} of profile {step.profile!r} ({step.role_arn.origin})"
    return Role(params, told, step.source)
