"""One provider after another, until one has credentials. Only "nothing configured" lets a chain go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config.locations import select_profile
from .._config.settings import first_set
from .._core.durations import as_seconds, to_datetime
from .._core.errors import InvalidConfigurationError, NoCredentialsError, NotConfiguredError, ProviderAttempt
from .._core.logs import log
from .._core.provider import ClientContext, Provider, fetch_observed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from .._core.credentials import Credentials
    from .._core.io import Io, Runtime

# The least that ``expire_after`` takes, as in JavaScript: shorter-lived sets would be refreshed all the time.
SHORTEST_LIFE = 5 * 60.0
NAME = "credential chain"

# Which profile beat keys in the environment first. That is said once per process: a program may make many chains.
_warned: list[str] = []


async def first_available(providers: Sequence[Provider], io: Io, context: ClientContext) -> Credentials:
    """Return the credentials of the first provider that has any.

    Raises ``NoCredentialsError`` with one record for each if none has, and at once what a provider raises that is
    configured and fails: to go on to another identity in silence would be worse.
    """
    attempts: list[ProviderAttempt] = []
    for provider in providers:
        started = io.monotonic()
        try:
            return await fetch_observed(provider, io, context)
        except NotConfiguredError as error:
            missed = error.with_traceback(None)
        seconds = io.monotonic() - started
        log("chain", "debug", "%s", missed)
        attempts.append(ProviderAttempt(provider.name, _reason(missed), seconds, missed))
    raise NoCredentialsError(
        f"no credentials found: none of {len(attempts)} providers is configured",
        attempts=tuple(attempts),
        hint="configure one of the providers listed below",
    )


def _reason(error: NotConfiguredError) -> str:
    """Return the error's text, without the name of its provider, which stands beside it already."""
    if isinstance(error, NoCredentialsError):
        return str(error)
    return f"{error.message} ({error.hint})" if error.hint else error.message


class _Chain(Provider):
    """What both kinds of chain have in common."""

    __slots__ = ("_providers",)

    def __init__(self, name: str, providers: Sequence[Provider], runtime: Runtime) -> None:
        super().__init__(
            name,
            runtime,
            may_prompt_user=any(provider._may_prompt_user for provider in providers),
            context_fields=frozenset().union(*(provider._context_fields for provider in providers)),
        )
        self._providers = tuple(providers)

    def _allows_stale(self, credentials: Credentials) -> bool:
        return any(provider._allows_stale(credentials) for provider in self._providers)


class CredentialChain(_Chain):
    """Made by ``create_credential_chain``. Asks its providers in order at every call, and keeps no credentials."""

    __slots__ = ("_lifetime",)

    def __init__(self, providers: Sequence[Provider], runtime: Runtime, lifetime: float | None = None) -> None:
        super().__init__(NAME, providers, runtime)
        self._lifetime = lifetime

    def expire_after(self, lifetime: timedelta | float) -> CredentialChain:
        """Return a chain that sets an expiration on credentials that have none. Others keep theirs.

        Args:
            lifetime: The time from the call of the provider to the expiration: a timedelta or a number of seconds, at
                least 5 minutes.

        Raises:
            InvalidConfigurationError: ``lifetime`` is shorter, or not a duration.

        """
        seconds = as_seconds("expire_after", lifetime)
        if seconds < SHORTEST_LIFE:
            raise InvalidConfigurationError(f"expire_after is {seconds:g} s; at least {SHORTEST_LIFE:g} s are needed")
        return CredentialChain(self._providers, self._runtime, seconds)

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        credentials = await first_available(self._providers, io, context)
        if self._lifetime is None or credentials.expiration is not None:
            return credentials
        return credentials.replace(expiration=to_datetime(io.time() + self._lifetime))


class DefaultChain(_Chain):
    """Made, with a cache around it, by ``from_default_chain``. Its order stands in ``_catalog``."""

    __slots__ = ("_named", "_profile")

    def __init__(
        self, unnamed: Sequence[Provider], named: Sequence[Provider], runtime: Runtime, profile: str | None
    ) -> None:
        super().__init__("default chain", unnamed, runtime)
        self._named = named
        self._profile = profile

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        choice = select_profile(self._profile, context.profile, io.environ())
        if not choice.is_explicit:
            return await first_available(self._providers, io, context)
        if first_set(io.environ(), "AWS_ACCESS_KEY_ID") is not None and not _warned:
            _warned.append(choice.name.value)
            message = "a profile is named by %s, so the keys in the environment variables are not used"
            log("chain", "warning", message, choice.name.origin)
        return await first_available(self._named, io, context)
