"""The source of credentials that one profile has itself, by its keys: access keys, a command, a token file, a sign-in.

Plain functions of a profile. A contradiction within the profile is an error with file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting
from ..._config.shared_files import NAME
from ..._core.errors import InvalidConfigurationError, ProfileLoopError
from ..._core.validation import InvalidValueError, check_text
from ..sso.settings import SsoSettings, sso_settings
from ..sts.parameters import check_duration

KEY, SECRET, TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
# The values of ``credential_source`` in AWS's spelling; other cases are accepted.
CREDENTIAL_SOURCES = ("Environment", "Ec2InstanceMetadata", "EcsContainer")


class StaticBase(NamedTuple):
    """Access keys in the profile."""

    profile: str
    settings: Mapping[str, Setting]


class ProcessBase(NamedTuple):
    """A command that prints credentials."""

    profile: str
    command: Setting
    account_id: Setting | None


class WebIdentityBase(NamedTuple):
    """A web identity token file and the role to assume with it."""

    profile: str
    token_file: Setting
    role_arn: Setting
    session_name: Setting | None
    duration: int | None = None
    """Seconds."""


class SsoBase(NamedTuple):
    """A sign-in at IAM Identity Center."""

    profile: str
    settings: SsoSettings


class LoginBase(NamedTuple):
    """A session of ``aws login``."""

    profile: str
    session: Setting


class CredentialSourceBase(NamedTuple):
    """One of ``CREDENTIAL_SOURCES``, in AWS's spelling."""

    profile: str
    source: str


Base: TypeAlias = StaticBase | ProcessBase | WebIdentityBase | SsoBase | LoginBase | CredentialSourceBase


def resolve_base(profile: Profile, profiles: Profiles, *, is_source: bool) -> Base | None:
    """Return the source that a profile has itself; None if it has no credential settings.

    The order is that of the AWS SDK for JavaScript: access keys, web identity, command, SSO, login. With ``is_source``,
    another profile names this one as its source: its ``credential_source`` then counts even without a role.
    """
    settings = profile.settings
    if KEY in settings or SECRET in settings:
        return _static_base(profile)
    if "web_identity_token_file" in settings:
        return _web_identity_base(profile)
    if is_source and "credential_source" in settings:
        return credential_source_base(profile)
    if (command := settings.get("credential_process")) is not None:
        return ProcessBase(profile.name, command, settings.get("aws_account_id"))
    if (sso := sso_settings(profile, profiles)) is not None:
        return SsoBase(profile.name, sso)
    if (session := settings.get("login_session")) is not None:
        return LoginBase(profile.name, session)
    for key in ("source_profile", "credential_source"):
        if (setting := settings.get(key)) is not None:
            raise profile_error(profile, setting, f"{key} is set, but role_arn is not", hint="set role_arn to the role")
    return None


def _static_base(profile: Profile) -> StaticBase:
    keys = (KEY, SECRET, TOKEN, "aws_account_id", "aws_credential_scope")
    settings = {key: setting for key in keys if (setting := profile.settings.get(key)) is not None}
    for missing, present in ((SECRET, KEY), (KEY, SECRET)):
        if missing not in settings:
            raise profile_error(profile, settings[present], f"{present} is set, but {missing} is not")
    for key, setting in settings.items():
        try:
            check_text(setting.value)
        except InvalidValueError as error:
            raise profile_error(profile, setting, f"{key} {error}") from None
    return StaticBase(profile.name, settings)


def has_keys(profile: Profile) -> bool:
    """Return whether a profile has both access keys."""
    return KEY in profile.settings and SECRET in profile.settings


def self_referencing_base(profile: Profile, source: Setting) -> StaticBase:
    """Return the access keys of a profile that names itself as its source; without any it is a loop."""
    if has_keys(profile):
        return _static_base(profile)
    raise ProfileLoopError(
        f"profile loop: profile {profile.name!r} is its own source ({source.origin}), and has no access keys",
        source=NAME,
    )


def _web_identity_base(profile: Profile) -> WebIdentityBase:
    token_file, role_arn = profile.settings["web_identity_token_file"], profile.settings.get("role_arn")
    if role_arn is None:
        raise profile_error(profile, token_file, "web_identity_token_file is set, but role_arn is not")
    session_name = profile.settings.get("role_session_name")
    return WebIdentityBase(profile.name, token_file, role_arn, session_name, session_duration(profile))


def credential_source_base(profile: Profile) -> CredentialSourceBase:
    """Return what the ``credential_source`` of a profile names."""
    setting = profile.settings["credential_source"]
    for source in CREDENTIAL_SOURCES:
        if setting.value.strip().lower() == source.lower():
            return CredentialSourceBase(profile.name, source)
    expected = f"set it to one of {', '.join(CREDENTIAL_SOURCES)}"
    raise profile_error(profile, setting, "credential_source has an unknown value", hint=expected)


def session_duration(profile: Profile) -> int | None:
    """Return the ``duration_seconds`` of a profile; None if it is not set."""
    duration = profile.settings.get("duration_seconds")
    if duration is None:
        return None
    text = duration.value
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise profile_error(profile, duration, "duration_seconds is not a whole number of seconds")
    try:
        return check_duration(int(text))
    except InvalidValueError as error:
        raise profile_error(profile, duration, f"duration_seconds {error}") from None


def profile_error(
    profile: Profile, setting: Setting, reason: str, *, hint: str | None = None
) -> InvalidConfigurationError:
    """Return the error for a setting of a profile."""
    return InvalidConfigurationError(f"profile {profile.name!r}: {reason} ({setting.origin})", source=NAME, hint=hint)
