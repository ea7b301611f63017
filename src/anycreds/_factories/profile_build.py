"""Builds the provider of a profile. A thread imports this module when the provider is first awaited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._config.client_config import ClientConfig
from .._config.shared_files import SharedFiles
from .._core.callbacks import Callbacks, MfaCodeProvider, RoleAssumer, WebIdentityAssumer
from .._core.io import Runtime
from .._core.provider import Provider
from .._providers.profile import single_source
from .._providers.profile.build import BuildOptions, SourceConstructors
from .._providers.profile.provider import ProfileProvider
from .._providers.profile.role_chain import resolve_role_chain
from .._providers.static import StaticProvider
from . import constructors

if TYPE_CHECKING:
    from .profile import Only

CONSTRUCTORS = SourceConstructors(
    environment=constructors.environment,
    static=StaticProvider,
    process=constructors.process,
    container=constructors.container,
    instance_metadata=constructors.instance_metadata,
    sso=constructors.sso,
    login=constructors.login,
    web_identity=constructors.web_identity,
    assume_role=constructors.assume_role,
)

_RESOLVERS = {
    None: resolve_role_chain,
    "process": single_source.resolve_process,
    "sso": single_source.resolve_sso,
    "login": single_source.resolve_login,
    "default-sso": single_source.resolve_default_sso,
}


def build_profile_provider(
    runtime: Runtime,
    files: SharedFiles,
    *,
    name: str,
    profile: str | None,
    only: Only | None,
    client_config: ClientConfig | None,
    timeout: float | None,
    mfa_code_provider: MfaCodeProvider | None,
    role_assumer: RoleAssumer | None,
    role_assumer_with_web_identity: WebIdentityAssumer | None,
    metadata: Mapping[str, Any],
    imds: Mapping[str, Any],
) -> Provider:
    """Return the provider of a profile. The options are those of ``profile_provider``, checked."""
    callbacks = Callbacks(mfa_code_provider, role_assumer, role_assumer_with_web_identity)
    return ProfileProvider(
        runtime,
        profile,
        files=files,
        constructors=CONSTRUCTORS,
        options=BuildOptions(client_config, callbacks, timeout, metadata, imds),
        resolve=_RESOLVERS[only],
        only_default=only == "default-sso",
        name=name,
    )
