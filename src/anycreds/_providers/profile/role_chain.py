"""A profile, flattened: one base that credentials come from, and the roles to assume on top of it, innermost first.

A plain function of the profiles. Whatever contradicts itself is found here, before anything is asked.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting
from ..._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    NotConfiguredError,
    ProfileLoopError,
    ProfileNotFoundError,
)
from ..sso.settings import describe_missing_role
from ..sts.parameters import LONGEST_CHAINED_SESSION
from .base_sources import (
    NAME,
    Base,
    SsoBase,
    WebIdentityBase,
    base_of,
    duration_in,
    has_keys,
    named_base,
    own_base,
    profile_error,
)

# Each role is a provider that awaits the next one's, and Python's stack has an end; nobody has ten.
_LONGEST = 100


class RoleStep(NamedTuple):
    """A role to assume with what the step before gave."""

    profile: str
    role_arn: Setting
    session_name: Setting | None
    external_id: Setting | None
    duration: int | None
    """Seconds."""
    mfa_serial: Setting | None
    source: str
    """What names its source, and where, for people: ``source_profile (~/.aws/config:7)``."""


class Plan(NamedTuple):
    """How the credentials of a profile are got."""

    base: Base
    roles: tuple[RoleStep, ...] = ()


def plan_for(profiles: Profiles, name: Setting) -> Plan | CredentialsError:
    """Return how to get the credentials of a profile, or what keeps that from working.

    ``NotConfiguredError``: the profile exists and says nothing about credentials.
    """
    roles: list[RoleStep] = []
    path: list[str] = []
    while True:
        try:
            profile = profiles.find(name.value)
        except ProfileNotFoundError as error:
            raise named_by(error, name, path) from None
        profile.check(NAME)
        if profile.name in path:
            circle = " -> ".join([*path, profile.name])
            return ProfileLoopError(f"{circle} are each other's source ({name.origin})", source=NAME)
        path.append(profile.name)
        if len(path) > _LONGEST:
            return InvalidConfigurationError(
                f"more than {_LONGEST} profiles are each other's source, from profile {path[0]!r} on", source=NAME
            )
        if _is_base(profile, is_source=len(path) > 1):
            return _finish(base_of(profile, profiles, is_source=len(path) > 1), roles, profile)
        step = _role_step(profile)
        if isinstance(step, InvalidConfigurationError):
            return step
        roles.insert(0, step)
        source = profile.settings.get("source_profile")
        if source is None:
            return _finish(named_base(profile), roles, profile)
        if source.value == profile.name:
            return _finish(own_base(profile, source), roles, profile)
        name = source


def _finish(base: Base | CredentialsError | None, roles: list[RoleStep], profile: Profile) -> Plan | CredentialsError:
    if isinstance(base, CredentialsError):
        return base
    if base is not None:
        return _chaining_problem(base, roles) or Plan(base, tuple(roles))
    message = describe_missing_role(profile) or f"profile {profile.name!r} says nothing about credentials"
    if roles:  # a role needs them
        return InvalidConfigurationError(
            f"{message}, and profile {roles[0].profile!r} ({roles[0].role_arn.origin}) names it as its source",
            source=NAME,
        )
    return NotConfiguredError(message, source=NAME)


def _is_base(profile: Profile, *, is_source: bool) -> bool:
    """Tell whether a profile is not a role on top of another. Somebody's source with keys of its own is not."""
    if profile.settings.get("role_arn") is None or profile.settings.get("web_identity_token_file") is not None:
        return True
    return is_source and has_keys(profile)


def _role_step(profile: Profile) -> RoleStep | InvalidConfigurationError:
    role_arn = profile.settings.get("role_arn")
    assert role_arn is not None  # asked before
    sources = [key for key in ("source_profile", "credential_source") if profile.settings.get(key) is not None]
    if len(sources) != 1:
        found = "both of source_profile and credential_source are" if sources else "no source of credentials is"
        return profile_error(profile, role_arn, f"role_arn is set, but {found}", hint="set exactly one of the two")
    duration = duration_in(profile)
    if isinstance(duration, InvalidConfigurationError):
        return duration
    return RoleStep(
        profile.name,
        role_arn,
        profile.settings.get("role_session_name"),
        profile.settings.get("external_id"),
        duration,
        profile.settings.get("mfa_serial"),
        f"{sources[0]} ({profile.settings[sources[0]].origin})",
    )


def _chaining_problem(base: Base, roles: list[RoleStep]) -> InvalidConfigurationError | None:
    """Return the error for a role that is assumed with another role's credentials for longer than AWS allows."""
    for step in roles if isinstance(base, WebIdentityBase | SsoBase) else roles[1:]:
        if step.duration is not None and step.duration > LONGEST_CHAINED_SESSION:
            return InvalidConfigurationError(
                f"profile {step.profile!r} ({step.role_arn.origin}): duration_seconds is {step.duration}, but the role "
                f"is assumed with another role's credentials, for which AWS allows {LONGEST_CHAINED_SESSION} s at most",
                source=NAME,
            )
    return None


def named_by(error: ProfileNotFoundError, name: Setting, path: list[str]) -> ProfileNotFoundError:
    """Return the error for a profile that is not there, with who named it."""
    by = f"profile {path[-1]!r} ({name.origin})" if path else name.origin
    message = f"{error.message}, and {by} names it"
    return ProfileNotFoundError(message, profile=error.profile, source=NAME, hint=error.hint)
