"""One provider after another, until one has credentials. Only "nothing configured" lets a chain go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._config.locations import selected
from .._config.settings import first
from .._core.durations import as_seconds, instant
from .._core.errors import Attempt, InvalidConfigurationError, NoCredentialsError, NotConfiguredError
from .._core.logs import log
from .._core.provider import NOBODY, Caller, Provider, watched

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from .._core.credentials import Credentials
    from .._core.io import Io, World

# The least that ``expire_after`` takes, as in JavaScript: shorter-lived sets would be refreshed all the time.
SHORTEST_LIFE = 5 * 60.0
NAME = "credential chain"

# Which profile beat keys in the environment first. That is said once per process: a program may make many chains.
_warned: list[str] = []


async def first_of(providers: Sequence[Provider], io: Io, caller: Caller) -> tuple[Credentials, int]:
    """Return the credentials of the first provider that has any, and how many were asked.

    Raises ``NoCredentialsError`` with one record for each if none has, and at once what a provider raises that is
    configured and fails: to go on to another identity in silence would be worse.
    """
    attempts: list[Attempt] = []
    for provider in providers:
        started = io.monotonic()
        try:
            return await watched(provider, io, caller), len(attempts) + 1
        except NotConfiguredError as error:
            missed = error.with_traceback(None)
        seconds = io.monotonic() - started
        log("chain", "debug", "%s", missed)
        attempts.append(Attempt(provider.name, _reason(missed), seconds, missed))
    raise NoCredentialsError(
        f"none of {len(attempts)} providers has credentials",
        attempts=tuple(attempts),
        hint="configure one of them; what each looked for is said below",
    )


def _reason(error: NotConfiguredError) -> str:
    """Return the error's text, without the name of its provider, which stands beside it already."""
    if isinstance(error, NoCredentialsError):
        return str(error)
    return f"{error.message} ({error.hint})" if error.hint else error.message


class _Chain(Provider):
    """What both kinds of chain have in common: providers, and how far down the last attempt had to go."""

    __slots__ = ("_asked", "_providers")

    def __init__(self, name: str, providers: Sequence[Provider], world: World) -> None:
        super().__init__(name, world)
        self._providers = tuple(providers)
        self._asked: dict[Caller, Sequence[Provider]] = {}

    async def _first_of(self, providers: Sequence[Provider], io: Io, caller: Caller) -> Credentials:
        credentials, asked = await first_of(providers, io, caller)
        self._asked[caller] = providers[:asked]
        return credentials

    def _may_extend(self, credentials: Credentials) -> bool:
        return any(provider._may_extend(credentials) for provider in self._providers)

    def _asks_person(self, caller: Caller = NOBODY) -> bool:
        # Whoever comes behind the one that has credentials is not asked: it must not keep them from a timely refresh.
        return any(provider._asks_person(caller) for provider in self._asked.get(caller, self._providers))


class CredentialChain(_Chain):
    """Made by ``create_credential_chain``. Asks its providers in order at every call, and keeps no credentials."""

    __slots__ = ("_lifetime",)

    def __init__(self, providers: Sequence[Provider], world: World, lifetime: float | None = None) -> None:
        super().__init__(NAME, providers, world)
        self._lifetime = lifetime

    def expire_after(self, lifetime: timedelta | float) -> CredentialChain:
        """Return a new chain that gives sets without an expiration one: ``lifetime`` after they were got.

        ``lifetime`` is a timedelta or a number of seconds, at least 5 minutes. Sets that have an expiration keep it.

        Raises ``InvalidConfigurationError`` if it is shorter, or no length of time.
        """
        seconds = as_seconds("expire_after", lifetime)
        if seconds < SHORTEST_LIFE:
            raise InvalidConfigurationError(f"expire_after is {seconds:g} s; at least {SHORTEST_LIFE:g} s are needed")
        return CredentialChain(self._providers, self._world, seconds)

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        credentials = await self._first_of(self._providers, io, caller)
        if self._lifetime is None or credentials.expiration is not None:
            return credentials
        return credentials.replace(expiration=instant(io.time() + self._lifetime))


class DefaultChain(_Chain):
    """Made, with a cache around it, by ``from_default_chain``. Its order stands in ``_catalog``."""

    __slots__ = ("_named", "_profile")

    def __init__(
        self, unnamed: Sequence[Provider], named: Sequence[Provider], world: World, profile: str | None
    ) -> None:
        super().__init__("default chain", unnamed, world)
        self._named = named
        self._profile = profile

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        choice = selected(self._profile, caller.profile, io.environ())
        if not choice.named:
            return await self._first_of(self._providers, io, caller)
        if first(io.environ(), "AWS_ACCESS_KEY_ID") is not None and not _warned:
            _warned.append(choice.name.value)
            message = "a profile is named by %s, so the keys in the environment variables are not used"
            log("chain", "warning", message, choice.name.origin)
        return await self._first_of(self._named, io, caller)
