"""Providers that are built when they are first awaited, and what their factories have in common.

Importing the module of a provider takes 10 ms and more, which is too long for an event loop. So a factory checks its
options, and a thread imports the module and builds the provider when it is needed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from .._system.event_loop import is_imported

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from .._config.client_config import ClientConfig
    from .._core.credentials import Credentials
    from .._core.disk_cache_key import DiskCacheKey
    from .._core.events import Event
    from .._core.io import ImmediateIo, Io, Runtime
    from .._providers.service.endpoint_resolution import EndpointResolver
    from .files import Files

    Check: TypeAlias = Callable[[Io, ClientContext], Awaitable[object]]
    """Raises what the provider would raise if nothing is configured, and otherwise does nothing."""

# The functions that have built a provider, so that all that they import is imported.
_has_imported: set[Callable[..., Provider]] = set()


class LazyProvider(Provider):
    """A provider that is built when it is first awaited.

    Args:
        name: The name of the provider.
        runtime: What it runs on.
        build: A function, with its arguments, that imports what it needs and returns the provider. The arguments have
            been checked, so it does not raise.
        may_prompt_user: See ``Provider``.
        context_fields: See ``Provider``.
        modules: All that ``build`` and ``_load_now`` import, if the provider may answer without waiting.
        check: Called before the provider is built, so that nothing is imported for a provider without configuration.

    """

    __slots__ = ("_all_built", "_build", "_check", "_modules", "_provider")

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        build: partial[Any],
        *,
        may_prompt_user: bool = False,
        context_fields: frozenset[str] = WHOLE_CONTEXT,
        modules: tuple[str, ...] = (),
        check: Check | None = None,
    ) -> None:
        super().__init__(name, runtime, may_prompt_user=may_prompt_user, context_fields=context_fields)
        self._modules = modules
        self._check = check
        self._build = build
        self._provider: Provider | None = None
        self._all_built: list[Provider] = []

    def _fetch(self, io: Io, context: ClientContext) -> Coroutine[Any, Any, Credentials]:
        # Once it is built, the provider is its own boundary.
        return super()._fetch(io, context) if self._provider is None else self._provider._fetch(io, context)

    def _fetch_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        if self._provider is None:
            if not self._modules or not all(map(is_imported, self._modules)):
                return None
            self._provider = self._first(self._build())
        return self._provider._fetch_now(io, context, events)

    def _modules_for_now(self, io: ImmediateIo, context: ClientContext) -> tuple[str, ...]:
        return self._modules if self._provider is None else ()

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        if self._provider is None and self._check is not None:
            await self._check(io, context)
        return await (await self._built(io))._fetch(io, context)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        if self._provider is None and self._check is not None:
            await self._check(io, context)
        return await (await self._built(io))._disk_cache_key(io, context)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        return await (await self._built(io))._describe_sources(io, context)

    async def _built(self, io: Io) -> Provider:
        if self._provider is None:
            provider = self._build() if self._build.func in _has_imported else await io.run_in_thread(self._build)
            _has_imported.add(self._build.func)
            self._provider = self._first(provider)
        return self._provider

    def _first(self, provider: Provider) -> Provider:
        """Return the first provider that concurrent calls, in any thread, have built: it may cache something."""
        self._all_built.append(provider)  # one step, unlike an ``or``
        return self._all_built[0]

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._provider is not None and self._provider._allows_stale(credentials)


def profile_field(profile: str | None) -> frozenset[str]:
    """Return the field of the context that selects the profile; none if the option ``profile`` does."""
    return frozenset(("profile",)) if profile is None else frozenset()


def endpoint_resolver(config: ClientConfig | None, files: Files, profile: str | None = None) -> EndpointResolver:
    """Return what finds the endpoints of AWS services, with the settings of the selected profile."""
    from .._providers.service.endpoint_resolution import EndpointResolver

    return EndpointResolver(config, files=files(), profile=profile)
