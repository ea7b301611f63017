"""How the default chain makes its providers: one function each, which takes those of the chain's options that it knows.

What an option becomes for one provider is said here; which provider comes when, in ``_catalog``. What a provider stands
on is loaded when it is made, as most programs get their credentials from the first one and need no other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .._core.provider import NOBODY, Caller, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._config.client_config import ClientConfig
    from .._config.shared_files import SharedFiles
    from .._core.callbacks import MfaCodeProvider, RoleAssumer, WebIdentityAssumer
    from .._core.credentials import Credentials
    from .._core.io import Io, World

    Files: TypeAlias = Callable[[], SharedFiles]
    """Returns the files that all links of a chain share."""

# Which functions have made a provider, so that all that they load is there.
_ready: set[Callable[..., Provider]] = set()


class Later(Provider):
    """A provider that is made when it is first asked, of options that cannot be wrong.

    ``asks`` tells, before it is made, whether an attempt for a caller may ask somebody; by default none does.
    """

    __slots__ = ("_asks", "_build", "_made", "_options")

    def __init__(
        self,
        title: str,
        world: World,
        build: Callable[..., Provider],
        options: dict[str, Any],
        asks: Callable[[Caller], bool] | None = None,
    ) -> None:
        super().__init__(title, world)
        self._asks = asks
        self._build = build
        self._options = options
        self._made: Provider | None = None

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        if self._made is None:
            made = await self._make(io)
            self._made = self._made or made  # of two threads' the first: it remembers
            self.name = self._made.name
        return await self._made._fetch(io, caller)

    async def _make(self, io: Io) -> Provider:
        build = partial(self._build, self._world, **self._options)
        if self._build in _ready:
            return build()
        # Loading takes milliseconds, so the event loop runs on meanwhile.
        made = await io.work(build)
        _ready.add(self._build)
        return made

    async def _where(self, io: Io, caller: Caller) -> list[str]:
        return [] if self._made is None else await self._made._where(io, caller)

    def _may_extend(self, credentials: Credentials) -> bool:
        return self._made is not None and self._made._may_extend(credentials)

    def _asks_person(self, caller: Caller = NOBODY) -> bool:
        if self._made is not None:
            return self._made._asks_person(caller)
        return self._asks is not None and self._asks(caller)


def environment(world: World) -> Provider:
    """Make the one for keys in the environment."""
    from .._providers.environment import EnvironmentProvider

    return EnvironmentProvider(world)


def sso(
    world: World,
    *,
    files: Files,
    profile: str | None = None,
    client_config: ClientConfig | None = None,
    **options: str,
) -> Provider:
    """Make the one for SSO by the ``sso_*`` options; without any, by a ``default`` profile that is nothing else."""
    from .._core.errors import InvalidConfigurationError
    from .._providers.sso.settings import sso_options

    settings = sso_options(**options)
    if isinstance(settings, InvalidConfigurationError):
        raise settings
    if settings is None:
        from .._core.callbacks import BuildOptions
        from .._providers.profile.provider import OnlySsoProvider

        return OnlySsoProvider(world, profile, files=files(), options=BuildOptions(client_config))
    from .._providers.service.endpoint_resolution import Places
    from .._providers.sso.provider import SsoProvider

    return SsoProvider(world, settings, Places(client_config, files=files(), profile=profile))


def token_file(
    world: World,
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
    from .._config.settings import given_option
    from .._providers.service.endpoint_resolution import Places
    from .._providers.sts.web_identity import WebIdentityOptions, WebIdentityProvider

    options = WebIdentityOptions(
        token_file=given_option("web_identity_token_file", web_identity_token_file),
        role_arn=given_option("role_arn", role_arn),
        session_name=given_option("role_session_name", role_session_name),
        assumer=role_assumer_with_web_identity,
    )
    return WebIdentityProvider(world, options, Places(client_config, files=files(), profile=profile))


def shared_files(
    world: World,
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
    from .._core.callbacks import BuildOptions, Hooks
    from .._providers.profile.provider import ProfileProvider

    hooks = Hooks(mfa_code_provider, role_assumer, role_assumer_with_web_identity)
    options = BuildOptions(client_config, hooks, metadata=metadata)
    return ProfileProvider(world, profile, files=files(), options=options)


def container(world: World, **options: Any) -> Provider:
    """Make the one for ECS and EKS."""
    from .._providers.container import ContainerProvider

    return ContainerProvider(world, **options)


def metadata(world: World, *, files: Files, **options: Any) -> Provider:
    """Make the one for EC2 instance metadata."""
    from .._providers.imds.provider import InstanceMetadataProvider

    return InstanceMetadataProvider(world, files=files(), **options)
