"""Resolves a profile to its role chain: one base source, and the roles to assume on top of it, innermost first.

Plain functions of the profiles. Contradictions are found here, before any service is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting
from ..._config.shared_files import NAME
from ..._core.errors import InvalidConfigurationError, NotConfiguredError, ProfileLoopError, ProfileNotFoundError
from ..sso.settings import describe_missing_role
from ..sts.parameters import LONGEST_CHAINED_SESSION
from .base_sources import (
    Base,
    SsoBase,
    WebIdentityBase,
    credential_source_base,
    has_keys,
    profile_error,
    resolve_base,
    self_referencing_base,
    session_duration,
)

# Each role is a provider that awaits the next one, and Python's stack is limited. Real chains have two or three.
MAX_PROFILES = 100


class AssumeRoleStep(NamedTuple):
    """A role to assume with the credentials of the step before."""

    profile: str
    role_arn: Setting
    session_name: Setting | None
    external_id: Setting | None
    duration: int | None
    """Seconds."""
    mfa_serial: Setting | None
    source: str
    """The setting that names the source, for display: ``source_profile (~/.aws/config:7)``."""


class RoleChain(NamedTuple):
    """How the credentials of a profile are obtained."""

    base: Base
    roles: tuple[AssumeRoleStep, ...] = ()

    @property
    def profiles(self) -> set[str]:
        """The names of all profiles in the chain."""
        return {self.base.profile, *(step.profile for step in self.roles)}


Resolver: TypeAlias = Callable[[Profiles, Setting], RoleChain]
"""Resolves a profile, by its name and the setting that the name comes from.

It raises a ``CredentialsError`` if the profile has no usable credential settings.
"""


def resolve_role_chain(profiles: Profiles, name: Setting) -> RoleChain:
    """Return how to get the credentials of a profile, given by its name and the setting that the name comes from."""
    roles: list[AssumeRoleStep] = []
    path: list[str] = []
    while True:
        profile = find_profile(profiles, name, path)
        if profile.name in path:
            loop = " -> ".join([*path, profile.name])
            raise ProfileLoopError(f"profile loop: {loop} ({name.origin})", source=NAME)
        path.append(profile.name)
        if len(path) > MAX_PROFILES:
            raise InvalidConfigurationError(
                f"the role chain of profile {path[0]!r} has more than {MAX_PROFILES} profiles", source=NAME
            )
        if _has_own_source(profile, is_source=len(path) > 1):
            return _role_chain(resolve_base(profile, profiles, is_source=len(path) > 1), roles, profile)
        roles.insert(0, _assume_role_step(profile))
        source = profile.settings.get("source_profile")
        if source is None:
            return _role_chain(credential_source_base(profile), roles, profile)
        if source.value == profile.name:
            return _role_chain(self_referencing_base(profile, source), roles, profile)
        name = source


def find_profile(profiles: Profiles, name: Setting, path: Sequence[str] = ()) -> Profile:
    """Return a profile that has no malformed line. ``path`` has the profiles that lead to it, for the error."""
    try:
        profile = profiles.find(name.value, NAME)
    except ProfileNotFoundError as error:
        by = f"profile {path[-1]!r} ({name.origin})" if path else name.origin
        message = f"{error.message}; it is selected by {by}"
        raise ProfileNotFoundError(message, profile=error.profile, source=NAME, hint=error.hint) from None
    profile.check(NAME)
    return profile


def _has_own_source(profile: Profile, *, is_source: bool) -> bool:
    """Return whether a profile is the base of the chain, not a role on top of another one.

    A profile with a role and access keys is a base where another profile names it as its source, as in botocore.
    """
    if "role_arn" not in profile.settings or "web_identity_token_file" in profile.settings:
        return True
    return is_source and has_keys(profile)


def _role_chain(base: Base | None, roles: list[AssumeRoleStep], profile: Profile) -> RoleChain:
    if base is not None:
        _check_chained_durations(base, roles)
        return RoleChain(base, tuple(roles))
    message = describe_missing_role(profile) or f"profile {profile.name!r} has no credential settings"
    if not roles:
        raise NotConfiguredError(message, source=NAME)
    source = f"it is the source of profile {roles[0].profile!r} ({roles[0].role_arn.origin})"
    raise InvalidConfigurationError(f"{message}, but {source}", source=NAME)


def _assume_role_step(profile: Profile) -> AssumeRoleStep:
    settings, role_arn = profile.settings, profile.settings["role_arn"]
    sources = [key for key in ("source_profile", "credential_source") if key in settings]
    if len(sources) != 1:
        found = "both source_profile and credential_source are" if sources else "no source of credentials is"
        raise profile_error(profile, role_arn, f"role_arn is set, but {found}", hint="set exactly one of the two")
    return AssumeRoleStep(
        profile.name,
        role_arn,
        settings.get("role_session_name"),
        settings.get("external_id"),
        session_duration(profile),
        settings.get("mfa_serial"),
        f"{sources[0]} ({settings[sources[0]].origin})",
    )


def _check_chained_durations(base: Base, roles: list[AssumeRoleStep]) -> None:
    """Raise for a role that is assumed with another role's credentials for longer than AWS allows."""
    for step in roles if isinstance(base, WebIdentityBase | SsoBase) else roles[1:]:
        if step.duration is not None and step.duration > LONGEST_CHAINED_SESSION:
            raise InvalidConfigurationError(
                f"profile {step.profile!r} ({step.role_arn.origin}): duration_seconds is {step.duration}; AWS allows "
                f"at most {LONGEST_CHAINED_SESSION} s for a role that is assumed with another role's credentials",
                source=NAME,
            )
