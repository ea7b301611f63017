"""How the default chain makes its providers: one function each, which takes those of the chain's options that it knows.

What an option becomes for one provider is said here; which provider comes when, in ``_catalog``. What a provider stands
on is loaded when it is made, as most programs get their credentials from the first one and need no other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .._core.provider import WHOLE_CONTEXT, ClientContext, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._config.client_config import ClientConfig
    from .._config.shared_files import SharedFiles
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from .._core.credentials import Credentials
    from .._core.io import Io, Runtime

    Files: TypeAlias = Callable[[], SharedFiles]
    """Returns the files that all links of a chain share."""

# Which functions have made a provider, so that all that they load is there.
_ready: set[Callable[..., Provider]] = set()


class Later(Provider):
    """A provider that is made when it is first asked, of options that cannot be wrong."""

    __slots__ = ("_build", "_made", "_options")

    def __init__(
        self,
        title: str,
        runtime: Runtime,
        build: Callable[..., Provider],
        options: dict[str, Any],
        *,
        may_prompt_user: bool = False,
        context_fields: frozenset[str] = WHOLE_CONTEXT,
    ) -> None:
        super().__init__(title, runtime, may_prompt_user=may_prompt_user, context_fields=context_fields)
        self._build = build
        self._options = options
        self._made: Provider | None = None

    async def _load(self, io: Io, caller: ClientContext) -> Credentials:
        if self._made is None:
            made = await self._make(io)
            self._made = self._made or made  # of two threads' the first: it remembers
            self.name = self._made.name
        return await self._made._fetch(io, caller)

    async def _make(self, io: Io) -> Provider:
        build = partial(self._build, self._runtime, **self._options)
        if self._build in _ready:
            return build()
        # Loading takes milliseconds, so the event loop runs on meanwhile.
        made = await io.run_in_thread(build)
        _ready.add(self._build)
        return made

    async def _describe_sources(self, io: Io, caller: ClientContext) -> list[str]:
        return [] if self._made is None else await self._made._describe_sources(io, caller)

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._made is not None and self._made._allows_stale(credentials)


def environment(runtime: Runtime) -> Provider:
    """Make the one for keys in the environment."""
    from .._providers.environment import EnvironmentProvider

    return EnvironmentProvider(runtime)


def sso(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    client_config: ClientConfig | None = None,
    **options: str,
) -> Provider:
    """Make the one for SSO by the ``sso_*`` options; without any, by a ``default`` profile that is nothing else."""
    from .._providers.sso.settings import sso_options

    settings = sso_options(**options)
    if settings is None:
        from .._providers.profile.options import BuildOptions
        from .._providers.profile.provider import OnlySsoProvider

        return OnlySsoProvider(runtime, profile, files=files(), options=BuildOptions(client_config))
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sso.provider import SsoProvider

    return SsoProvider(runtime, settings, EndpointResolver(client_config, files=files(), profile=profile))


def token_file(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    web_identity_token_file: str | None = None,
    role_arn: str | None = None,
    role_session_name: str | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
) -> Provider:
    """Make the one for the web identity token file of the environment, or of options."""
    from .._config.settings import from_path_argument
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider

    options = WebIdentityOptions(
        token_file=from_path_argument("web_identity_token_file", web_identity_token_file),
        role_arn=from_path_argument("role_arn", role_arn),
        session_name=from_path_argument("role_session_name", role_session_name),
        assumer=role_assumer_with_web_identity,
    )
    return WebIdentityProvider(runtime, options, EndpointResolver(client_config, files=files(), profile=profile))


def shared_files(
    runtime: Runtime,
    *,
    files: Files,
    profile: str | None = None,
    mfa_code_provider: MfaCodeProvider | None = None,
    role_assumer: RoleAssumer | None = None,
    role_assumer_with_web_identity: WebIdentityAssumer | None = None,
    client_config: ClientConfig | None = None,
    **metadata: Any,
) -> Provider:
    """Make the one for the profile, whatever kind it is; ``metadata`` is for EC2 metadata as its source."""
    from .._core.callbacks import Callbacks
    from .._providers.profile.options import BuildOptions
    from .._providers.profile.provider import ProfileProvider

    callbacks = Callbacks(mfa_code_provider, role_assumer, role_assumer_with_web_identity)
    options = BuildOptions(client_config, callbacks, metadata=metadata)
    return ProfileProvider(runtime, profile, files=files(), options=options)


def container(runtime: Runtime, **options: Any) -> Provider:
    """Make the one for ECS and EKS."""
    from .._providers.container import ContainerProvider

    return ContainerProvider(runtime, **options)


def metadata(runtime: Runtime, *, files: Files, **options: Any) -> Provider:
    """Make the one for EC2 instance metadata."""
    from .._providers.imds.provider import InstanceMetadataProvider

    return InstanceMetadataProvider(runtime, files=files(), **options)
