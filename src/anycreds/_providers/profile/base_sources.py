"""What one profile itself offers: the base that its credentials come from, by the keys that it has.

Plain functions of a profile. Whatever in it contradicts itself is an error with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting
from ..._core.errors import InvalidConfigurationError, ProfileLoopError
from ..._core.validation import InvalidValueError, check_text
from ..sso.settings import SsoSettings, sso_settings
from ..sts.parameters import check_duration

NAME = "shared files"
KEY, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
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
    duration: int | None = None
    """Seconds."""


class SsoBase(NamedTuple):
    """A login at IAM Identity Center."""

    profile: str
    settings: SsoSettings


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


def base_of(profile: Profile, profiles: Profiles, *, is_source: bool) -> Base | InvalidConfigurationError | None:
    """Return what a profile itself offers, in the order of JavaScript: keys, web identity, process, SSO, login."""
    if profile.settings.get(KEY) is not None or profile.settings.get(SECRET) is not None:
        return _static_base(profile)
    if profile.settings.get("web_identity_token_file") is not None:
        return _web_identity_base(profile)
    if profile.settings.get("credential_source") is not None and is_source:
        return named_base(profile)
    if (command := profile.settings.get("credential_process")) is not None:
        return ProcessBase(profile.name, command, profile.settings.get("aws_account_id"))
    if (sso := sso_settings(profile, profiles)) is not None:
        return SsoBase(profile.name, sso)
    if (session := profile.settings.get("login_session")) is not None:
        return LoginBase(profile.name, session)
    for key in ("source_profile", "credential_source"):
        if (setting := profile.settings.get(key)) is not None:
            return profile_error(
                profile, setting, f"{key} is set, but role_arn is not", hint="say which role to assume"
            )
    return None


def _static_base(profile: Profile) -> StaticBase | InvalidConfigurationError:
    keys = (KEY, SECRET, TOKEN, "aws_account_id", "aws_credential_scope")
    settings = {key: setting for key in keys if (setting := profile.settings.get(key)) is not None}
    for missing, present in ((SECRET, KEY), (KEY, SECRET)):
        if missing not in settings:
            return profile_error(profile, settings[present], f"{present} is set, but {missing} is not")
    for key, setting in settings.items():
        try:
            check_text(setting.value, field=key)
        except InvalidValueError as error:
            return profile_error(profile, setting, str(error))
    return StaticBase(profile.name, settings)


def has_keys(profile: Profile) -> bool:
    return KEY in profile.settings and SECRET in profile.settings


def own_base(profile: Profile, source: Setting) -> Base | InvalidConfigurationError:
    """Return the base of a profile that names itself as its source: its own keys, or it is a loop."""
    if has_keys(profile):
        return _static_base(profile)
    return ProfileLoopError(
        f"profile {profile.name!r} is its own source ({source.origin}), and has no keys of its own", source=NAME
    )


def _web_identity_base(profile: Profile) -> WebIdentityBase | InvalidConfigurationError:
    token_file, role_arn = profile.settings.get("web_identity_token_file"), profile.settings.get("role_arn")
    assert token_file is not None  # asked before
    if role_arn is None:
        return profile_error(profile, token_file, "web_identity_token_file is set, but role_arn is not")
    duration = duration_in(profile)
    if isinstance(duration, InvalidConfigurationError):
        return duration
    return WebIdentityBase(profile.name, token_file, role_arn, profile.settings.get("role_session_name"), duration)


def named_base(profile: Profile) -> NamedBase | InvalidConfigurationError:
    setting = profile.settings.get("credential_source")
    assert setting is not None  # asked before
    for source in NAMED_SOURCES:
        if setting.value.strip().lower() == source.lower():
            return NamedBase(profile.name, source, setting)
    allowed = f"one of {', '.join(NAMED_SOURCES)} is needed"
    return profile_error(profile, setting, "credential_source has an unknown value", hint=allowed)


def duration_in(profile: Profile) -> int | InvalidConfigurationError | None:
    """Return how many seconds a session is to last; None: the profile does not say."""
    duration = profile.settings.get("duration_seconds")
    if duration is None:
        return None
    text = duration.value
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return profile_error(profile, duration, "duration_seconds is not a whole number of seconds")
    try:
        return check_duration(int(text))
    except InvalidValueError as error:
        return profile_error(profile, duration, f"duration_seconds {error}")


def profile_error(
    profile: Profile, setting: Setting, problem: str, *, hint: str | None = None
) -> InvalidConfigurationError:
    return InvalidConfigurationError(f"profile {profile.name!r}: {problem} ({setting.origin})", source=NAME, hint=hint)
