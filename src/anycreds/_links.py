"""How the default chain makes its providers: one function each, which takes those of the chain's options that it knows.

What an option becomes for one provider is said here; which provider comes when, in ``_catalog``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._config.settings import given_option
from ._config.sso import sso_options
from ._errors import InvalidConfigurationError
from ._hooks import BuildOptions, Hooks
from ._profile import OnlySsoProvider, ProfileProvider

if TYPE_CHECKING:
    from ._client_config import ClientConfig
    from ._hooks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from ._io import World
    from ._provider import Provider
    from ._shared_files import SharedFiles


def sso(
    world: World,
    *,
    files: SharedFiles,
    profile: str | None = None,
    client_config: ClientConfig | None = None,
    **options: str,
) -> Provider:
    """Make the one for SSO by the ``sso_*`` options; without any, by a ``default`` profile that is nothing else."""
    settings = sso_options(**options)
    if isinstance(settings, InvalidConfigurationError):
        raise settings
    if settings is None:
        return OnlySsoProvider(world, profile, files=files, options=BuildOptions(client_config))
    from ._places import Places  # what only these need
    from .providers.sso import SsoProvider

    return SsoProvider(world, settings, Places(client_config, files=files, profile=profile))


def token_file(
    world: World,
    *,
    files: SharedFiles,
    profile: str | None = None,
    web_identity_token_file: str | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
) -> Provider:
    """Make the one for the web identity token file of the environment, or of options."""
    from ._places import Places
    from .providers.web_identity import WebIdentityOptions, WebIdentityProvider

    options = WebIdentityOptions(
        token_file=given_option("web_identity_token_file", web_identity_token_file),
        role_arn=given_option("role_arn", role_arn),
        session_name=given_option("role_session_name", role_session_name),
        assumer=role_assumer_with_web_identity,
    )
    return WebIdentityProvider(world, options, Places(client_config, files=files, profile=profile))


def shared_files(
    world: World,
    *,
    files: SharedFiles,
    profile: str | None = None,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
    **metadata: Any,
) -> Provider:
    """Make the one for the profile, whatever kind it is; ``metadata`` is for EC2 metadata as its source."""
    hooks = Hooks(mfa_code_provider, role_assumer, role_assumer_with_web_identity)
    options = BuildOptions(client_config, hooks, metadata=metadata)
    return ProfileProvider(world, profile, files=files, options=options)
