"""Chains of providers. Only a provider that has nothing configured lets a chain continue with the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._config.locations import ProfileSelection, select_profile
from .._config.settings import first_set
from .._core.attempts import fetch_now_observed, fetch_observed
from .._core.durations import as_seconds, to_datetime
from .._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    NoCredentialsError,
    NotConfiguredError,
    ProviderAttempt,
)
from .._core.logs import is_observed, log
from .._core.provider import ClientContext, Provider
from .environment import NAME as ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence
    from datetime import timedelta

    from .._core.credentials import Credentials
    from .._core.disk_cache_key import DiskCacheKey
    from .._core.events import Event
    from .._core.io import ImmediateIo, Io, Runtime

# Seconds. The smallest lifetime that ``expire_after`` accepts, as in JavaScript; a shorter one causes many refreshes.
_MIN_LIFETIME = 5 * 60.0
# Seconds. A longer one is most likely a number of milliseconds, as in JavaScript; credentials of STS last 36 h at most.
_MAX_LIFETIME = 7 * 86_400.0

NONE_CONFIGURED = "none of %d providers has credentials configured"
IGNORED_KEYS = "a profile is selected explicitly by %s; access keys in environment variables are ignored"

# The profile for which the warning about ignored access keys was logged. It is logged once per process, since a program
# may create many chains.
_warned: list[str] = []


async def first_available(providers: Sequence[Provider], io: Io, context: ClientContext) -> Credentials:
    """Return the credentials of the first provider that has anything configured.

    Raises:
        NoCredentialsError: No provider has anything configured.
        CredentialsError: A provider is configured and failed. The next one could have another identity.

    """
    attempts: list[tuple[Provider, float, NotConfiguredError]] = []
    fetch = fetch_observed if is_observed() else _fetch
    for provider in providers:
        started = io.monotonic()
        try:
            return await fetch(provider, io, context)
        except NotConfiguredError as error:
            log("chain", "debug", "%s", error)
            attempts.append((provider, io.monotonic() - started, error.with_traceback(None)))
    raise NoCredentialsError(
        f"no credentials found: {NONE_CONFIGURED % len(attempts)}",
        attempts=tuple(
            ProviderAttempt(provider.name, _reason(error), seconds, error) for provider, seconds, error in attempts
        ),
        hint="configure one of the providers listed below",
    )


def _fetch(provider: Provider, io: Io, context: ClientContext) -> Awaitable[Credentials]:
    return provider._fetch(io, context)


def first_available_now(
    providers: Sequence[Provider], io: ImmediateIo, context: ClientContext, events: list[Event]
) -> Credentials | None:
    """Return or raise what ``first_available`` does, if the first provider decides that without waiting; else None."""
    try:
        return fetch_now_observed(providers[0], io, context, events)
    except NotConfiguredError:
        return None


def _reason(error: NotConfiguredError) -> str:
    """Return the text of an error without the name of its provider, which is displayed beside it."""
    if isinstance(error, NoCredentialsError):
        return str(error)
    return f"{error.message} ({error.hint})" if error.hint else error.message


class _Chain(Provider):
    """Base of the chains."""

    __slots__ = ("_providers",)

    def __init__(self, name: str, providers: Sequence[Provider], runtime: Runtime) -> None:
        super().__init__(
            name,
            runtime,
            may_prompt_user=any(provider._may_prompt_user for provider in providers),
            context_fields=frozenset().union(*(provider._context_fields for provider in providers)),
        )
        self._providers = tuple(providers)

    def _modules_for_now(self, io: ImmediateIo, context: ClientContext) -> tuple[str, ...]:
        return self._order(io, context)[0]._modules_for_now(io, context)

    def _order(self, io: ImmediateIo, context: ClientContext) -> Sequence[Provider]:
        return self._providers

    def _allows_stale(self, credentials: Credentials) -> bool:
        return any(provider._allows_stale(credentials) for provider in self._providers)


class CredentialChain(_Chain):
    """A chain of providers. Create it with ``create_credential_chain``. It caches nothing."""

    __slots__ = ("_lifetime",)

    def __init__(self, providers: Sequence[Provider], runtime: Runtime, lifetime: float | None = None) -> None:
        super().__init__("credential chain", providers, runtime)
        self._lifetime = lifetime

    def expire_after(self, lifetime: timedelta | float) -> CredentialChain:
        """Return a chain that sets an expiration on credentials that have none. Others keep theirs.

        Args:
            lifetime: The time from the call of the provider to the expiration: a timedelta or a number of seconds, at
                least 5 minutes and at most 7 days.

        Raises:
            InvalidConfigurationError: ``lifetime`` is shorter or longer, or not a duration.

        """
        seconds = as_seconds("expire_after", lifetime)
        if seconds < _MIN_LIFETIME:
            raise InvalidConfigurationError(f"expire_after is {seconds:g} s; expected at least {_MIN_LIFETIME:g} s")
        if seconds > _MAX_LIFETIME:
            raise InvalidConfigurationError(
                f"expire_after is {seconds:.0f} s; expected at most {_MAX_LIFETIME:.0f} s (7 days)",
                hint="give a number of seconds, not of milliseconds, or a timedelta",
            )
        chain = CredentialChain(self._providers, self._runtime, seconds)
        chain._made_by = self._made_by
        return chain

    def __reduce__(self) -> tuple[Any, ...]:
        if self._lifetime is None:
            return super().__reduce__()
        chain = CredentialChain(self._providers, self._runtime)
        chain._made_by = self._made_by
        return chain.expire_after, (self._lifetime,)

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return self._with_expiration(await first_available(self._providers, io, context), io.time())

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        credentials = first_available_now(self._providers, io, context, events)
        return None if credentials is None else self._with_expiration(credentials, io.time())

    def _with_expiration(self, credentials: Credentials, now: float) -> Credentials:
        if self._lifetime is None or credentials.expiration is not None:
            return credentials
        return credentials.replace(expiration=to_datetime(now + self._lifetime))


class DefaultChain(_Chain):
    """The default chain, without its cache. ``_factories/default_chain.py`` defines its order.

    Args:
        without_profile: All providers, in the order for a call without an explicitly selected profile.
        with_profile: The order for a call with an explicitly selected profile.
        runtime: What it runs on.
        profile: The profile that was passed as an argument; None if there is none.

    """

    __slots__ = ("_profile", "_with_profile")

    def __init__(
        self,
        without_profile: Sequence[Provider],
        with_profile: Sequence[Provider],
        runtime: Runtime,
        profile: str | None,
    ) -> None:
        super().__init__("default chain", without_profile, runtime)
        self._with_profile = with_profile
        self._profile = profile

    def _order(self, io: ImmediateIo, context: ClientContext) -> Sequence[Provider]:
        is_explicit = select_profile(self._profile, context.profile, io.environ()).is_explicit
        return self._with_profile if is_explicit else self._providers

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey:
        """Return the key of the first provider that has anything configured."""
        from .._core.disk_cache_key import NOT_ON_DISK

        for provider in self._order(io, context):
            try:
                return await provider._disk_cache_key(io, context) or NOT_ON_DISK
            except NotConfiguredError:
                continue
        return NOT_ON_DISK

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        selection = select_profile(self._profile, context.profile, io.environ())
        if not selection.is_explicit:
            return await first_available(self._providers, io, context)
        try:
            credentials = await first_available(self._with_profile, io, context)
        except CredentialsError as error:
            _warn_of_ignored_keys(selection, io, error.source)
            raise
        _warn_of_ignored_keys(selection, io, credentials.source)
        return credentials

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        selection = select_profile(self._profile, context.profile, io.environ())
        if not selection.is_explicit:
            return first_available_now(self._providers, io, context, events)
        try:
            credentials = first_available_now(self._with_profile, io, context, events)
        except CredentialsError as error:
            _warn_of_ignored_keys(selection, io, error.source)
            raise
        if credentials is not None:
            _warn_of_ignored_keys(selection, io, credentials.source)
        return credentials


def _warn_of_ignored_keys(selection: ProfileSelection, io: ImmediateIo, source: str | None) -> None:
    """Log, once, that access keys in environment variables are ignored, if another source returned or failed."""
    if source == ENVIRONMENT or _warned or first_set(io.environ(), "AWS_ACCESS_KEY_ID") is None:
        return
    _warned.append(selection.name.value)
    log("chain", "warning", IGNORED_KEYS, selection.name.origin)
