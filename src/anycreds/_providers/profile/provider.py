"""Credentials of a profile in the shared files: the files are read, the profile is resolved, its providers are built.

The role chain and its providers are kept while both files are unchanged. If the files change and the chain does not,
the providers stay too, as some of them cache something: an IMDS token, when a sign-in was refreshed, a used MFA code.
"""

from __future__ import annotations

from typing import NamedTuple

from ..._config.locations import NO_DEFAULT_PROFILE, ProfileSelection, select_profile
from ..._config.profiles import Profiles
from ..._config.service_settings import ProfileView
from ..._config.shared_files import NAME, SharedFiles, view_of
from ..._core.credentials import Credentials
from ..._core.disk_cache_key import NOT_ON_DISK, DiskCacheKey
from ..._core.errors import CredentialsError, NotConfiguredError
from ..._core.events import Event
from ..._core.io import ImmediateIo, Io, Runtime
from ..._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from ..service.callbacks import fetch_source
from .base_sources import StaticBase, WebIdentityBase
from .build import BuildOptions, ProfileProviderBuilder, SourceConstructors
from .role_chain import Resolver, RoleChain, resolve_role_chain


class _ResolvedProfile(NamedTuple):
    profiles: Profiles
    name: str
    chain: RoleChain
    view: ProfileView


class _CachedBuild(NamedTuple):
    resolved: _ResolvedProfile
    provider: Provider


class ProfileProvider(Provider):
    """The provider of a profile; None is that of the client, of ``AWS_PROFILE``, or ``default``.

    ``resolve`` decides what of the profile is used. With ``only_default``, no profile but ``default`` is used, and that
    only if no other one is selected.
    """

    __slots__ = ("_cached", "_constructors", "_files", "_only_default", "_options", "_profile", "_resolve_chain")

    def __init__(
        self,
        runtime: Runtime,
        profile: str | None = None,
        *,
        files: SharedFiles,
        constructors: SourceConstructors,
        options: BuildOptions = BuildOptions(),  # noqa: B008 - a constant
        resolve: Resolver = resolve_role_chain,
        only_default: bool = False,
        name: str = NAME,
    ) -> None:
        super().__init__(
            name, runtime, may_prompt_user=options.callbacks.mfa_code_provider is not None, context_fields=WHOLE_CONTEXT
        )
        self._profile = profile
        self._files = files
        self._constructors = constructors
        self._options = options
        self._resolve_chain = resolve
        self._only_default = only_default
        self._cached: dict[str | None, _CachedBuild] = {}  # by the profile of the client

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        build = await self._build(io, context)
        return await fetch_source(build.provider, io, context, f"profile {build.resolved.name!r}", NAME)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        build = await self._build(io, context)
        key, chain = await build.provider._disk_cache_key(io, context), build.resolved.chain
        is_role = bool(chain.roles) or isinstance(chain.base, WebIdentityBase)
        # The AWS CLI has no rule for access keys, a command and so on, and calls them every time.
        is_any_source = self._resolve_chain is resolve_role_chain
        return NOT_ON_DISK if key is None and is_any_source and not is_role else key

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        try:
            selection, profiles = self._select(io, context), await self._files.profiles(io)
        except CredentialsError:
            return []  # the error of the attempt describes it
        cached = self._cached.get(context.profile)
        sources = await cached.provider._describe_sources(io, context) if cached else []
        return [profiles.describe_location(selection.name.value), *sources]

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        """Return the access keys in the profile; None if it has another source, or the files have to be waited for."""
        selection, profiles = self._select(io, context), self._files.profiles_at_once(io)
        if profiles is None:
            return None
        resolved = self._resolve(selection, profiles, context)
        if resolved.chain.roles or not isinstance(resolved.chain.base, StaticBase):
            return None
        provider = self._known_provider(resolved, context) or self._builder(resolved).build_now(resolved.chain)
        self._cached[context.profile] = _CachedBuild(resolved, provider)
        return provider._fetch_now(io, context, events)

    def _select(self, io: ImmediateIo, context: ClientContext) -> ProfileSelection:
        selection = select_profile(self._profile, context.profile, io.environ())
        if self._only_default and selection.is_explicit:
            message = (
                f"only profile 'default' is used here, and {selection.name.origin} selects {selection.name.value!r}"
            )
            raise NotConfiguredError(message, source=self.name)
        return selection

    async def _build(self, io: Io, context: ClientContext) -> _CachedBuild:
        """Return the providers of the selected profile, from the cache if they would be the same."""
        selection, profiles = self._select(io, context), await self._files.profiles(io)
        resolved = self._resolve(selection, profiles, context)
        provider = self._known_provider(resolved, context)
        if provider is None:
            provider = await self._builder(resolved).build(io, resolved.chain)
        self._cached[context.profile] = build = _CachedBuild(resolved, provider)
        return build

    def _resolve(self, selection: ProfileSelection, profiles: Profiles, context: ClientContext) -> _ResolvedProfile:
        cached, name = self._cached.get(context.profile), selection.name.value
        if cached is not None and cached.resolved.profiles is profiles and cached.resolved.name == name:
            return cached.resolved
        if not selection.is_explicit and profiles.get(name) is None:
            raise NotConfiguredError(NO_DEFAULT_PROFILE, source=NAME)
        chain, view = self._resolve_chain(profiles, selection.name), view_of(profiles, name)
        self._log_diagnostics(profiles, {name} | chain.profiles)
        return _ResolvedProfile(profiles, name, chain, view)

    def _known_provider(self, resolved: _ResolvedProfile, context: ClientContext) -> Provider | None:
        """Return the provider of the last call if it is that of the same profile, whatever else is in the files."""
        cached = self._cached.get(context.profile)
        return cached.provider if cached is not None and cached.resolved[1:] == resolved[1:] else None

    def _builder(self, resolved: _ResolvedProfile) -> ProfileProviderBuilder:
        options, files = self._options, self._files
        return ProfileProviderBuilder(self._runtime, self._constructors, options, files, resolved.name, resolved.view)

    def _log_diagnostics(self, profiles: Profiles, used: set[str]) -> None:
        """Log, once, the lines of the files that could not be read, and on which nothing here depends."""
        self._files.log_diagnostics(profiles.other_diagnostics())
        for name in sorted(used):
            self._files.log_diagnostics(profiles.find(name).diagnostics)
