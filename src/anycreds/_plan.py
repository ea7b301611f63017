"""A profile, flattened: one base that credentials come from, and the roles to assume on top of it, innermost first.

A plain function of the profiles. Whatever contradicts itself is found here, before anything is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from ._config.profiles import Profile, Profiles
from ._config.settings import Setting
from ._credentials import problem_with
from ._errors import (
    CredentialsError,
    InvalidConfigurationError,
    NotConfiguredError,
    ProfileLoopError,
    ProfileNotFoundError,
)

NAME = "shared files"
KEY, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
_SSO = ("sso_start_url", "sso_account_id", "sso_region", "sso_role_name", "sso_session")
# What ``credential_source`` may name; AWS writes it so, and people write it in any case.
NAMED_SOURCES = ("Environment", "Ec2InstanceMetadata", "EcsContainer")


class StaticBase(NamedTuple):
    """Keys that stand in the file."""

    profile: str
    settings: Mapping[str, Setting]


class ProcessBase(NamedTuple):
    """A command that prints them."""

    profile: str
    command: Setting
    account_id: Setting | None


class WebIdentityBase(NamedTuple):
    """A token that is exchanged for a role."""

    profile: str
    token_file: Setting
    role_arn: Setting
    session_name: Setting | None


class SsoBase(NamedTuple):
    """A login at IAM Identity Center."""

    profile: str
    settings: Mapping[str, Setting]


class LoginBase(NamedTuple):
    """A console login."""

    profile: str
    session: Setting


class NamedBase(NamedTuple):
    """One of ``NAMED_SOURCES``, spelled like there."""

    profile: str
    source: str
    setting: Setting


Base: TypeAlias = StaticBase | ProcessBase | WebIdentityBase | SsoBase | LoginBase | NamedBase


class RoleStep(NamedTuple):
    """A role to assume with what the step before gave."""

    profile: str
    role_arn: Setting
    session_name: Setting | None
    external_id: Setting | None
    duration: int | None
    """Seconds."""
    mfa_serial: Setting | None


class Plan(NamedTuple):
    """How the credentials of a profile are got."""

    base: Base
    roles: tuple[RoleStep, ...] = ()
    region: Setting | None = None
    """Of the selected profile: it holds for every step."""


def plan_for(profiles: Profiles, name: Setting) -> Plan | CredentialsError:
    """Return how to get the credentials of a profile, or what keeps that from working.

    ``NotConfiguredError``: the profile exists and says nothing about credentials.
    """
    roles: list[RoleStep] = []
    path: list[str] = []
    region = None
    while True:
        profile = profiles.find(name.value)
        if isinstance(profile, ProfileNotFoundError):
            return _named_by(profile, name, path)
        if (problem := profile.error(NAME)) is not None:
            return problem
        region = region if path else profile.settings.get("region")
        if profile.name in path:
            return ProfileLoopError(f"{' -> '.join([*path, profile.name])} are each other's source", source=NAME)
        path.append(profile.name)
        if _is_base(profile, is_source=len(path) > 1):
            return _finish(_base(profile, is_source=len(path) > 1), roles, region, profile)
        step = _role_step(profile)
        if isinstance(step, InvalidConfigurationError):
            return step
        roles.insert(0, step)
        source = profile.settings.get("source_profile")
        if source is None:
            return _finish(_named_base(profile), roles, region, profile)
        if source.value == profile.name:
            return _finish(_own_base(profile, source), roles, region, profile)
        name = source


def _finish(
    base: Base | CredentialsError | None, roles: list[RoleStep], region: Setting | None, profile: Profile
) -> Plan | CredentialsError:
    if isinstance(base, CredentialsError):
        return base
    if base is not None:
        return Plan(base, tuple(roles), region)
    message = f"profile {profile.name!r} says nothing about credentials"
    if roles:  # a role needs them
        return InvalidConfigurationError(
            f"{message}, and profile {roles[0].profile!r} names it as its source", source=NAME
        )
    return NotConfiguredError(message, source=NAME)


def _is_base(profile: Profile, *, is_source: bool) -> bool:
    """Tell whether a profile is not a role on top of another. Somebody's source with keys of its own is not."""
    if profile.settings.get("role_arn") is None or profile.settings.get("web_identity_token_file") is not None:
        return True
    return is_source and _has_keys(profile)


def _has_keys(profile: Profile) -> bool:
    return KEY in profile.settings and SECRET in profile.settings


def _base(profile: Profile, *, is_source: bool) -> Base | InvalidConfigurationError | None:
    """Return what a profile itself offers, in the order of JavaScript: keys, web identity, process, SSO, login."""
    if profile.settings.get(KEY) is not None or profile.settings.get(SECRET) is not None:
        return _static_base(profile)
    if profile.settings.get("web_identity_token_file") is not None:
        return _web_identity_base(profile)
    if profile.settings.get("credential_source") is not None and is_source:
        return _named_base(profile)
    if (command := profile.settings.get("credential_process")) is not None:
        return ProcessBase(profile.name, command, profile.settings.get("aws_account_id"))
    if sso := {key: setting for key in _SSO if (setting := profile.settings.get(key)) is not None}:
        return SsoBase(profile.name, sso)
    if (session := profile.settings.get("login_session")) is not None:
        return LoginBase(profile.name, session)
    for key in ("source_profile", "credential_source"):
        if (setting := profile.settings.get(key)) is not None:
            return _error(profile, setting, f"{key} is set, but role_arn is not", hint="say which role to assume")
    return None


def _static_base(profile: Profile) -> StaticBase | InvalidConfigurationError:
    keys = (KEY, SECRET, TOKEN, "aws_account_id", "aws_credential_scope")
    settings = {key: setting for key in keys if (setting := profile.settings.get(key)) is not None}
    for missing, present in ((SECRET, KEY), (KEY, SECRET)):
        if missing not in settings:
            return _error(profile, settings[present], f"{present} is set, but {missing} is not")
    for key, setting in settings.items():
        if problem := problem_with(setting.value):
            return _error(profile, setting, f"{key} {problem}")
    return StaticBase(profile.name, settings)


def _own_base(profile: Profile, source: Setting) -> Base | InvalidConfigurationError:
    """Return the base of a profile that names itself as its source: its own keys, or it is a loop."""
    if _has_keys(profile):
        return _static_base(profile)
    return ProfileLoopError(
        f"profile {profile.name!r} is its own source ({source.origin}), and has no keys of its own", source=NAME
    )


def _web_identity_base(profile: Profile) -> WebIdentityBase | InvalidConfigurationError:
    token_file, role_arn = profile.settings.get("web_identity_token_file"), profile.settings.get("role_arn")
    assert token_file is not None  # asked before
    if role_arn is None:
        return _error(profile, token_file, "web_identity_token_file is set, but role_arn is not")
    return WebIdentityBase(profile.name, token_file, role_arn, profile.settings.get("role_session_name"))


def _named_base(profile: Profile) -> NamedBase | InvalidConfigurationError:
    setting = profile.settings.get("credential_source")
    assert setting is not None  # asked before
    for source in NAMED_SOURCES:
        if setting.value.strip().lower() == source.lower():
            return NamedBase(profile.name, source, setting)
    allowed = f"one of {', '.join(NAMED_SOURCES)} is needed"
    return _error(profile, setting, "credential_source has an unknown value", hint=allowed)


def _role_step(profile: Profile) -> RoleStep | InvalidConfigurationError:
    role_arn = profile.settings.get("role_arn")
    assert role_arn is not None  # asked before
    sources = [key for key in ("source_profile", "credential_source") if profile.settings.get(key) is not None]
    if len(sources) != 1:
        found = "both of source_profile and credential_source are" if sources else "no source of credentials is"
        return _error(profile, role_arn, f"role_arn is set, but {found}", hint="set exactly one of the two")
    duration = profile.settings.get("duration_seconds")
    if duration is not None and not (
        duration.value.isascii() and duration.value.isdigit() and len(duration.value) < 10
    ):
        return _error(profile, duration, "duration_seconds is not a whole number of seconds")
    return RoleStep(
        profile.name,
        role_arn,
        profile.settings.get("role_session_name"),
        profile.settings.get("external_id"),
        None if duration is None else int(duration.value),
        profile.settings.get("mfa_serial"),
    )


def _error(profile: Profile, setting: Setting, problem: str, *, hint: str | None = None) -> InvalidConfigurationError:
    return InvalidConfigurationError(f"profile {profile.name!r}: {problem} ({setting.origin})", source=NAME, hint=hint)


def _named_by(error: ProfileNotFoundError, name: Setting, path: list[str]) -> ProfileNotFoundError:
    """Return the error for a profile that is not there, with who named it."""
    by = f"profile {path[-1]!r} ({name.origin})" if path else name.origin
    message = f"{error.message}, and {by} names it"
    return ProfileNotFoundError(message, profile=error.profile, source=NAME, hint=error.hint)
