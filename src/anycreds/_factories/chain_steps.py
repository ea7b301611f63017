"""The steps of a default chain without options. A step is built when the chain comes to it and finds it configured.

Building all of them takes as long as an exchange with a container, and most have nothing configured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from .._config.locations import NO_DEFAULT_PROFILE, select_profile
from .._config.settings import first_set
from .._core.errors import NotConfiguredError
from .._core.provider import WHOLE_CONTEXT, ClientContext, Provider
from .profile import profile_provider
from .sign_in import sso_provider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .._core.credentials import Credentials
    from .._core.disk_cache_key import DiskCacheKey
    from .._core.events import Event
    from .._core.io import ImmediateIo, Io, Runtime

    Build: TypeAlias = Callable[..., Provider]
    Absence: TypeAlias = Callable[[Mapping[str, Any], Io, ClientContext], NotConfiguredError | None]
    """Returns the error of a provider with nothing configured, if that can be found without waiting; else None."""


class ChainStep(Provider):
    """A provider of the default chain that is built when it is needed.

    Args:
        name: The name of the provider.
        runtime: What it runs on.
        build: Returns the provider; takes the runtime and the options. These need no check, so it does not raise.
        options: The options of the provider.
        absence: Called before the provider is built; None for a provider that decides itself.

    """

    __slots__ = ("_absence", "_build", "_options", "_provider")

    def __init__(
        self, name: str, runtime: Runtime, build: Build, options: Mapping[str, Any], absence: Absence | None
    ) -> None:
        super().__init__(name, runtime, context_fields=WHOLE_CONTEXT)
        self._build = build
        self._options = options
        self._absence = absence
        self._provider: Provider | None = None

    def _fetch(self, io: Io, context: ClientContext) -> Awaitable[Credentials]:  # type: ignore[override]
        self._check_absence(io, context)
        return self._built()._fetch(io, context)  # the provider is its own boundary

    def _fetch_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        return self._built()._fetch_now(io, context, events)

    def _modules_for_now(self, io: ImmediateIo, context: ClientContext) -> tuple[str, ...]:
        return self._built()._modules_for_now(io, context)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        self._check_absence(io, context)
        return await self._built()._disk_cache_key(io, context)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        return await self._built()._describe_sources(io, context)

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._provider is not None and self._provider._allows_stale(credentials)

    def _check_absence(self, io: Io, context: ClientContext) -> None:
        """Raise the error of a provider that is not built yet, and has nothing configured."""
        if self._provider is None and self._absence is not None:
            error = self._absence(self._options, io, context)
            if error is not None:
                raise error

    def _built(self) -> Provider:
        if self._provider is None:
            provider = self._build(self._runtime, **self._options)
            self._provider = self._provider or provider  # another thread may have been first
        return self._provider


def no_default_profile(options: Mapping[str, Any], io: Io, context: ClientContext) -> NotConfiguredError | None:
    """Return the error if no profile is selected, and no file can have a profile ``default``."""
    is_explicit = select_profile(options.get("profile"), context.profile, io.environ()).is_explicit
    if is_explicit or not options["files"].are_missing_now(io):
        return None
    return NotConfiguredError(NO_DEFAULT_PROFILE, source="shared files")


def no_token_file(_options: Mapping[str, Any], io: Io, _context: ClientContext) -> NotConfiguredError | None:
    """Return the error if no web identity token file is set."""
    from .._providers.sts.settings import TOKEN_FILE_VARIABLE, no_token_file_error

    return None if first_set(io.environ(), TOKEN_FILE_VARIABLE) else no_token_file_error("web identity")


def sso_step(runtime: Runtime, **options: Any) -> Provider:
    """Return the provider of the SSO step: by the ``sso_*`` options if there are any, otherwise by profile default."""
    if options.keys() <= {"files", "profile", "client_config"}:
        return profile_provider(runtime, only="default-sso", **options)
    return sso_provider(runtime, **options)


def shared_files_step(
    runtime: Runtime, *, timeout: float | None = None, max_retries: int | None = None, **options: Any
) -> Provider:
    """Return the provider of the profile. The limits are those of metadata services as the source of a role."""
    return profile_provider(runtime, metadata_timeout=timeout, max_retries=max_retries, **options)
