"""What a profile, or options of the program, say about a sign-in at IAM Identity Center (SSO). Pure.

Follows the AWS "SDKs and Tools" reference, page "IAM Identity Center credential provider".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..._config.parser.sections import shown_name
from ..._config.profiles import Profile, Profiles
from ..._config.settings import Setting, option
from ..._core.credentials import invalid_reason
from ..._core.errors import InvalidConfigurationError

NAME = "SSO"
_SESSION = "sso_session"
# What an ``sso-session`` section says; the rest is the profile's, as one sign-in serves many accounts and roles.
_SHARED = ("sso_start_url", "sso_region")
_OWN = ("sso_account_id", "sso_role_name")
_NEEDED = (*_SHARED, *_OWN)


class SsoSettings(NamedTuple):
    """All that it takes to ask for the credentials of a role, and who has signed in for it."""

    start_url: Setting
    account_id: Setting
    region: Setting
    """Of IAM Identity Center, not of the services that the credentials are for."""
    role_name: Setting
    session: Setting | None = None
    """The name of the ``sso-session`` section; None: the legacy form, in which tokens are not refreshed."""
    profile: str | None = None
    """The profile that says so, for the command that signs in."""


def sso_settings(profile: Profile, profiles: Profiles) -> SsoSettings | InvalidConfigurationError | None:
    """Return what a profile says, with the ``sso-session`` section that it refers to.

    None: it says nothing about credentials. A profile with neither account nor role is for bearer tokens only.
    """
    if (problem := profile.error(NAME)) is not None:
        return problem
    found = {key: setting for key in _NEEDED if (setting := profile.settings.get(key)) is not None}
    if found.keys().isdisjoint(_OWN):
        return None
    named = profile.settings.get(_SESSION)
    where = f"profile {shown_name(profile.name)} ({', '.join(profile.origins)})"
    if named is not None:
        section = profiles.find_section("sso-session", named.value, NAME)
        if isinstance(section, InvalidConfigurationError):
            message = f"{section.message}, and profile {shown_name(profile.name)} names it ({named.origin})"
            return InvalidConfigurationError(message, source=NAME, hint=section.hint)
        if (problem := section.error(NAME)) is not None:
            return problem
        if (conflict := _conflict(profile, section)) is not None:
            return conflict
        found |= {key: setting for key in _SHARED if (setting := section.settings.get(key)) is not None}
        where += f" with sso-session {shown_name(section.name)} ({', '.join(section.origins)})"
    return _settings(found, named, profile.name, where)


def sso_options(
    *,
    sso_start_url: str | None = None,
    sso_account_id: str | None = None,
    sso_region: str | None = None,
    sso_role_name: str | None = None,
    sso_session: str | None = None,
) -> SsoSettings | InvalidConfigurationError | None:
    """Return what options of the program say; None: none of them is given. But for ``sso_session`` all are needed."""
    given = (sso_start_url, sso_account_id, sso_region, sso_role_name, sso_session)
    names = ("sso_start_url", "sso_account_id", "sso_region", "sso_role_name", _SESSION)
    found = {
        name: setting
        for name, value in zip(names, given, strict=True)
        if (setting := option(name, value)) is not None and not (isinstance(value, str) and not value.strip())
    }
    return _settings(found, found.get(_SESSION), None, "options") if found else None


def _settings(
    found: Mapping[str, Setting], session: Setting | None, profile: str | None, where: str
) -> SsoSettings | InvalidConfigurationError:
    if missing := [key for key in _NEEDED if key not in found]:
        present = ", ".join(f"{key} ({setting.origin})" for key, setting in found.items())
        message = f"{where}: {_listed(missing)} missing, beside {present}"
        return InvalidConfigurationError(message, source=NAME, hint=f"{', '.join(_NEEDED)} are all needed")
    for key, setting in (*found.items(), *([] if session is None else [(_SESSION, session)])):
        if problem := invalid_reason(setting.value):
            return InvalidConfigurationError(f"{where}: {key} ({setting.origin}) {problem}", source=NAME)
    return SsoSettings(
        found["sso_start_url"],
        found["sso_account_id"],
        found["sso_region"],
        found["sso_role_name"],
        session,
        profile,
    )


def _conflict(profile: Profile, section: Profile) -> InvalidConfigurationError | None:
    """Return the error that profile and section do not say the same. Which of them is meant, nobody can tell."""
    for key in _NEEDED:
        own, shared = profile.settings.get(key), section.settings.get(key)
        if own is not None and shared is not None and own.value != shared.value:
            return InvalidConfigurationError(
                f"{key} in profile {shown_name(profile.name)} ({own.origin}) is another than in sso-session "
                f"{shown_name(section.name)} ({shared.origin}), to which the profile refers",
                source=NAME,
                hint="remove one of the two",
            )
    return None


def _listed(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last} are" if some else f"{last} is"
