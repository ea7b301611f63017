"""Credentials as a profile of the shared files has them: the files are read, the profile planned, the plan carried out.

What the plan comes down to is kept until the files say something else, as some providers remember: a token of EC2
metadata, when a sign-in was refreshed last, a spent MFA code. It is kept for each profile that a caller names.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

from ..._config.locations import select_profile
from ..._config.profiles import Profiles
from ..._config.service_settings import ProfileView
from ..._config.settings import Setting
from ..._config.shared_files import NAME, SharedFiles, view_of
from ..._core.credentials import Credentials
from ..._core.errors import CredentialsError, InvalidConfigurationError, NotConfiguredError
from ..._core.io import Io, Runtime
from ..._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from ..._core.validation import check_timeout_and_retries
from ..service.callbacks import fetch_source
from ..sso.settings import NAME as SSO
from .base_sources import SsoBase
from .options import BuildOptions
from .role_chain import Plan, plan_for

# A file server that takes longer than this for two small files is down.
_FILES_TIME = 10.0
_BUILDING = "anycreds._providers.profile.build"


class _Built(NamedTuple):
    plan: Plan
    view: ProfileView
    name: str
    provider: Provider


class ProfileProvider(Provider):
    """What ``from_ini`` makes."""

    __slots__ = ("_built", "_files", "_options", "_profile")

    _NAME = NAME

    def __init__(
        self,
        runtime: Runtime,
        profile: str | None = None,
        *,
        files: SharedFiles,
        options: BuildOptions = BuildOptions(),  # noqa: B008 - a constant
    ) -> None:
        super().__init__(
            self._NAME,
            runtime,
            may_prompt_user=options.callbacks.mfa_code_provider is not None,
            context_fields=WHOLE_CONTEXT,
        )
        if options.timeout is not None:
            check_timeout_and_retries(options.timeout, 0, NAME)
        self._profile = profile
        self._files = files
        self._options = options
        # By the profile that the caller names.
        self._built: dict[str | None, _Built] = {}

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        with io.deadline(_FILES_TIME, self.name):
            built = await self._planned(io, context)
        if isinstance(built, CredentialsError):
            raise built
        return await fetch_source(built.provider, io, context, f"profile {built.name!r}", NAME)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        try:
            profiles, built = await self._files.profiles(io), self._built.get(context.profile)
        except InvalidConfigurationError:
            return []  # the error of the attempt names the file
        name = select_profile(self._profile, context.profile, io.environ()).name.value
        return [
            profiles.describe_location(name),
            *(await built.provider._describe_sources(io, context) if built else []),
        ]

    async def _planned(self, io: Io, context: ClientContext) -> _Built | CredentialsError:
        """Return what the profile comes down to."""
        profiles = await self._files.profiles(io)
        choice = select_profile(self._profile, context.profile, io.environ())
        if not choice.is_explicit and profiles.get(choice.name.value) is None:
            return NotConfiguredError("there is no profile 'default', and none is named", source=NAME)
        plan = self._plan(profiles, choice.name)
        if isinstance(plan, CredentialsError):
            return plan
        self._files.log_diagnostics(profiles.other_diagnostics())  # so none of them is in a section that is used
        used = {choice.name.value, plan.base.profile, *(step.profile for step in plan.roles)}
        for found in map(profiles.get, sorted(used)):
            if found is not None:
                self._files.log_diagnostics(found.diagnostics)
        view = view_of(profiles, choice.name.value)
        kept = self._built.get(context.profile)
        if kept is None or (kept.plan, kept.view, kept.name) != (plan, view, choice.name.value):
            provider = await self._provided(io, plan, view, choice.name.value)
            if isinstance(provider, InvalidConfigurationError):
                return provider
            kept = self._built[context.profile] = _Built(plan, view, choice.name.value, provider)
        return kept

    async def _provided(self, io: Io, plan: Plan, view: ProfileView, name: str) -> Provider | InvalidConfigurationError:
        # It knows every way to get credentials. Loading that takes milliseconds, so the event loop runs on meanwhile.
        if _BUILDING not in sys.modules:
            await io.run_in_thread(import_module, _BUILDING)
        from .build import Builder

        return Builder(self._runtime, self._options, self._files, name, view).build(plan)

    def _plan(self, profiles: Profiles, name: Setting) -> Plan | CredentialsError:
        return plan_for(profiles, name)


class OnlySsoProvider(ProfileProvider):
    """The default chain's SSO, without options: the ``default`` profile, if a sign-in is all that it has."""

    __slots__ = ()

    _NAME = SSO

    async def _planned(self, io: Io, context: ClientContext) -> _Built | CredentialsError:
        if select_profile(self._profile, context.profile, io.environ()).is_explicit:
            return NotConfiguredError("a profile is named, and asked itself", source=SSO)
        return await super()._planned(io, context)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        is_named = select_profile(self._profile, context.profile, io.environ()).is_explicit
        return [] if is_named else await super()._describe_sources(io, context)

    def _plan(self, profiles: Profiles, name: Setting) -> Plan | CredentialsError:
        plan: Plan | CredentialsError
        try:
            plan = plan_for(profiles, name)
        except CredentialsError as error:
            plan = error.with_traceback(None)
        if isinstance(plan, Plan) and isinstance(plan.base, SsoBase) and not plan.roles:
            return plan
        if isinstance(plan, CredentialsError) and plan.source == SSO:  # it is one, and broken
            return plan
        return NotConfiguredError("profile 'default' is not one for SSO only", source=SSO)
