"""Credentials as a profile of the shared files has them: the files are read, the profile planned, its base asked."""

from __future__ import annotations

from ._config.locations import selected
from ._config.profiles import Profiles
from ._config.settings import Setting
from ._credentials import Credentials
from ._errors import CredentialsError, InvalidConfigurationError, NotConfiguredError, ProfileNotFoundError
from ._io import Io, World
from ._plan import LoginBase, NamedBase, Plan, ProcessBase, SsoBase, StaticBase, WebIdentityBase, plan_for
from ._provider import Caller, Provider
from ._retrying import limits_problem
from ._shared_files import NAME, FileOptions, SharedFiles
from .providers.process import ProcessProvider
from .providers.static import StaticProvider

# A file server that takes longer than this for two small files is down.
_FILES_TIME = 10.0


class ProfileProvider(Provider):
    """What ``from_ini`` makes."""

    __slots__ = ("_files", "_profile", "_timeout")

    def __init__(
        self, world: World, profile: str | None = None, *, files: FileOptions | None = None, timeout: float = 60.0
    ) -> None:
        super().__init__(NAME, world)
        if problem := limits_problem(timeout, 0):
            raise InvalidConfigurationError(problem, source=NAME)
        self._profile = profile
        self._files = SharedFiles(files or FileOptions())
        self._timeout = timeout

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        with io.deadline(_FILES_TIME, self.name):
            base = await self._planned(io, caller)
        if isinstance(base, CredentialsError):
            raise base
        return await base._fetch(io, caller)

    async def _planned(self, io: Io, caller: Caller) -> Provider | CredentialsError:
        """Return the provider that the profile comes down to."""
        profiles = await self._files.profiles(io)
        if isinstance(profiles, InvalidConfigurationError):
            return profiles
        choice = selected(self._profile, caller.profile, io.environ())
        if not choice.named and isinstance(profiles.find(choice.name.value), ProfileNotFoundError):
            return NotConfiguredError("there is no profile 'default', and none is named", source=NAME)
        provider = self._from(profiles, choice.name)
        if isinstance(provider, Provider):  # so none of them is in a section that is used
            self._files.tell(profiles.other_problems())
        return provider

    def _from(self, profiles: Profiles, name: Setting) -> Provider | CredentialsError:
        plan = plan_for(profiles, name)
        return plan if isinstance(plan, CredentialsError) else self._built(plan)

    def _built(self, plan: Plan) -> Provider | InvalidConfigurationError:
        base = plan.base
        if plan.roles:
            return _not_yet(plan.roles[0].profile, "role_arn", plan.roles[0].role_arn)
        if isinstance(base, StaticBase):
            return StaticProvider(self._world, base.profile, base.settings)
        if isinstance(base, ProcessBase):
            return self._process(base)
        return _not_yet(base.profile, *_key_of(base))

    def _process(self, base: ProcessBase) -> ProcessProvider:
        account_id = None if base.account_id is None else base.account_id.value
        return ProcessProvider(self._world, base.command, account_id, timeout=self._timeout)


class ProcessProfileProvider(ProfileProvider):
    """What ``from_process`` makes: it looks at nothing but the command of the profile."""

    __slots__ = ()

    def _from(self, profiles: Profiles, name: Setting) -> Provider | CredentialsError:
        profile = profiles.find(name.value, NAME)
        if isinstance(profile, ProfileNotFoundError):
            return profile
        if (problem := profile.error(NAME)) is not None:
            return problem
        command = profile.settings.get("credential_process")
        if command is None:
            return NotConfiguredError(f"profile {profile.name!r} has no credential_process", source=NAME)
        return self._process(ProcessBase(profile.name, command, profile.settings.get("aws_account_id")))


def _key_of(base: WebIdentityBase | SsoBase | LoginBase | NamedBase) -> tuple[str, Setting]:
    """Return one setting that makes a base what it is."""
    if isinstance(base, WebIdentityBase):
        return "web_identity_token_file", base.token_file
    if isinstance(base, LoginBase):
        return "login_session", base.session
    if isinstance(base, NamedBase):
        return "credential_source", base.setting
    return next(iter(base.settings.items()))


def _not_yet(profile: str, key: str, setting: Setting) -> InvalidConfigurationError:
    return InvalidConfigurationError(
        f"profile {profile!r} has {key} ({setting.origin}), which this version cannot use yet",
        source=NAME,
        hint="it can use keys and credential_process",
    )
