"""Resolvers that use one kind of setting in a profile and ignore all others; see ``resolve_role_chain``."""

from __future__ import annotations

from ..._config.profiles import Profiles
from ..._config.settings import Setting
from ..._config.shared_files import NAME
from ..._core.errors import CredentialsError, NotConfiguredError
from ..sso.settings import NAME as SSO
from ..sso.settings import describe_missing_role, sso_settings
from .base_sources import LoginBase, ProcessBase, SsoBase
from .role_chain import RoleChain, find_profile, resolve_role_chain


def resolve_process(profiles: Profiles, name: Setting) -> RoleChain:
    """Use the ``credential_process`` of a profile, for ``from_process``."""
    profile = find_profile(profiles, name)
    command = profile.settings.get("credential_process")
    if command is None:
        raise NotConfiguredError(f"profile {profile.name!r} has no credential_process", source=NAME)
    return RoleChain(ProcessBase(profile.name, command, profile.settings.get("aws_account_id")))


def resolve_sso(profiles: Profiles, name: Setting) -> RoleChain:
    """Use the SSO settings of a profile, for ``from_sso``."""
    profile = find_profile(profiles, name)
    settings = sso_settings(profile, profiles)
    if settings is None:
        missing = f"profile {profile.name!r} has neither sso_account_id nor sso_role_name"
        raise NotConfiguredError(describe_missing_role(profile) or missing, source=NAME)
    return RoleChain(SsoBase(profile.name, settings))


def resolve_login(profiles: Profiles, name: Setting) -> RoleChain:
    """Use the ``login_session`` of a profile, for ``from_login_credentials``."""
    profile = find_profile(profiles, name)
    session = profile.settings.get("login_session")
    if session is None:
        raise NotConfiguredError(f"profile {profile.name!r} has no login_session", source=NAME)
    return RoleChain(LoginBase(profile.name, session))


def resolve_default_sso(profiles: Profiles, name: Setting) -> RoleChain:
    """Use a profile if SSO is its only source of credentials, for the SSO step of the default chain."""
    try:
        chain = resolve_role_chain(profiles, name)
    except CredentialsError as error:
        if error.source == SSO:  # the profile is one for SSO, and broken
            raise
    else:
        if isinstance(chain.base, SsoBase) and not chain.roles:
            return chain
    raise NotConfiguredError("profile 'default' has no SSO settings, or has other credential settings", source=SSO)
