"""The settings of IAM Identity Center (SSO) from a profile or from options. Pure.

See: AWS "SDKs and Tools" reference, "IAM Identity Center credential provider",
https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..._config.parser.sections import display_name
from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting, from_argument
from ..._core.errors import InvalidConfigurationError
from ..._core.validation import InvalidValueError, check_text

NAME = "SSO"
_SESSION = "sso_session"
# An ``sso-session`` section contains the first two keys, and the profile the others: one sign-in serves many accounts
# and roles.
_SESSION_KEYS = ("sso_start_url", "sso_region")
_ROLE_KEYS = ("sso_account_id", "sso_role_name")
_REQUIRED = (*_SESSION_KEYS, *_ROLE_KEYS)


class SsoSettings(NamedTuple):
    """The settings for the credentials of one role."""

    start_url: Setting
    account_id: Setting
    region: Setting
    """The region of IAM Identity Center, not of the services that the credentials are for."""
    role_name: Setting
    session: Setting | None = None
    """The name of the ``sso-session`` section; None for the legacy configuration, whose tokens are not refreshed."""
    profile: str | None = None
    """The name of the profile, for the command that signs in; None if the settings are options."""


def sso_settings(profile: Profile, profiles: Profiles) -> SsoSettings | None:
    """Return the settings of a profile, with the ``sso-session`` section that it refers to.

    None if the profile has neither ``sso_account_id`` nor ``sso_role_name``: a profile for bearer tokens only looks
    like this. ``describe_missing_role`` explains it.
    """
    profile.check(NAME)
    found = {key: setting for key in _REQUIRED if (setting := profile.settings.get(key)) is not None}
    owner = f"profile {display_name(profile.name)} ({', '.join(profile.origins)})"
    reference = profile.settings.get(_SESSION)
    if reference is not None:
        section = profiles.find_section("sso-session", reference, profile, NAME)
        section.check(NAME)
        _check_consistent(profile, section)
        found |= {key: setting for key in _SESSION_KEYS if (setting := section.settings.get(key)) is not None}
        owner += f" with sso-session {display_name(section.name)} ({', '.join(section.origins)})"
    if found.keys().isdisjoint(_ROLE_KEYS):
        return None
    return _settings(found, reference, profile.name, owner)


def describe_missing_role(profile: Profile) -> str | None:
    """Return why a profile that refers to an ``sso-session`` has no credentials, for messages.

    None if it does not refer to one, or has ``sso_account_id`` or ``sso_role_name``.
    """
    reference = profile.settings.get(_SESSION)
    if reference is None or not profile.settings.keys().isdisjoint(_ROLE_KEYS):
        return None
    keys = " and ".join(_ROLE_KEYS)
    return (
        f"profile {display_name(profile.name)} refers to sso-session {display_name(reference.value)} "
        f"({reference.origin}), but {keys} are not set"
    )


def sso_options(**options: str | None) -> SsoSettings | None:
    """Return the settings of options; None if none is given. All of them but ``sso_session`` are required."""
    found = {
        name: setting
        for name, value in options.items()
        if not (isinstance(value, str) and not value.strip()) and (setting := from_argument(name, value)) is not None
    }
    return _settings(found, found.get(_SESSION), None, "options") if found else None


def _settings(found: Mapping[str, Setting], session: Setting | None, profile: str | None, owner: str) -> SsoSettings:
    if missing := [key for key in _REQUIRED if key not in found]:
        present = ", ".join(f"{key} ({setting.origin})" for key, setting in found.items())
        raise InvalidConfigurationError(
            f"{owner}: {_listed(missing)} {'is' if len(missing) == 1 else 'are'} missing, beside {present}",
            source=NAME,
            hint=f"set {_listed(missing)}",
        )
    for key, setting in (*found.items(), *([] if session is None else [(_SESSION, session)])):
        try:
            check_text(setting.value, field=f"{key} ({setting.origin})")
        except InvalidValueError as error:
            raise InvalidConfigurationError(f"{owner}: {error}", source=NAME) from None
    return SsoSettings(
        found["sso_start_url"], found["sso_account_id"], found["sso_region"], found["sso_role_name"], session, profile
    )


def _check_consistent(profile: Profile, section: Profile) -> None:
    """Raise ``InvalidConfigurationError`` if profile and section contradict each other: either could be meant."""
    for key in _REQUIRED:
        own, shared = profile.settings.get(key), section.settings.get(key)
        if own is not None and shared is not None and own.value != shared.value:
            raise InvalidConfigurationError(
                f"profile {display_name(profile.name)} and its sso-session {display_name(section.name)} set different "
                f"values for {key} ({own.origin} and {shared.origin})",
                source=NAME,
                hint="remove one of the two",
            )


def _listed(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last
