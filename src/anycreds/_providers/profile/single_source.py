"""One kind of setting in a profile, whatever else that says: for programs that name the way, but not what it takes."""

from __future__ import annotations

from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting
from ..._config.shared_files import NAME
from ..._core.errors import CredentialsError, NotConfiguredError, ProfileNotFoundError
from ..sso.settings import describe_missing_role, sso_settings
from .base_sources import LoginBase, ProcessBase, SsoBase
from .provider import ProfileProvider
from .role_chain import Plan, named_by


class _OneWayProvider(ProfileProvider):
    """Looks at one kind of setting in the profile, whatever else it says."""

    __slots__ = ()

    def _plan(self, profiles: Profiles, name: Setting) -> Plan | CredentialsError:
        try:
            profile = profiles.find(name.value, NAME)
        except ProfileNotFoundError as error:
            raise named_by(error, name, []) from None
        profile.check(NAME)
        return self._way(profile, profiles)

    def _way(self, profile: Profile, profiles: Profiles) -> Plan | CredentialsError:
        raise TypeError(f"{type(self).__name__} does not say what it looks at")


class ProcessProfileProvider(_OneWayProvider):
    """What ``from_process`` makes."""

    __slots__ = ()

    def _way(self, profile: Profile, profiles: Profiles) -> Plan | CredentialsError:
        command = profile.settings.get("credential_process")
        if command is None:
            return NotConfiguredError(f"profile {profile.name!r} has no credential_process", source=NAME)
        return Plan(ProcessBase(profile.name, command, profile.settings.get("aws_account_id")))


class SsoProfileProvider(_OneWayProvider):
    """What ``from_sso`` makes without options of its own."""

    __slots__ = ()

    def _way(self, profile: Profile, profiles: Profiles) -> Plan | CredentialsError:
        settings = sso_settings(profile, profiles)
        if settings is None:
            nothing = f"profile {profile.name!r} has neither sso_account_id nor sso_role_name"
            return NotConfiguredError(describe_missing_role(profile) or nothing, source=NAME)
        return Plan(SsoBase(profile.name, settings))


class LoginProfileProvider(_OneWayProvider):
    """What ``from_login_credentials`` makes."""

    __slots__ = ()

    def _way(self, profile: Profile, profiles: Profiles) -> Plan | CredentialsError:
        session = profile.settings.get("login_session")
        if session is None:
            return NotConfiguredError(f"profile {profile.name!r} has no login_session", source=NAME)
        return Plan(LoginBase(profile.name, session))
