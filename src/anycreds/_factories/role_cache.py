"""The cache of many providers, one for each key: of the roles of a program with many tenants.

A hit reads one dictionary, takes no lock and marks the entry as used. ``RoleEntries`` decides which entry is evicted.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self

from .._cache.provider import CachedProvider
from .._cache.refresh_windows import DEFAULT_OPTIONS, CacheOptions
from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError
from .._core.provider import NO_CONTEXT, ContextFunction, CredentialProvider
from .._system.call_limit import CallLimit
from .factory_call import FactoryCall
from .role_entries import K, RoleEntries
from .runtime import RUNTIME, as_provider

if TYPE_CHECKING:
    from .._core.events import Event
    from .._core.io import Clock

_NAME = "role cache"
_SPREAD = CacheOptions(spread_first_refresh=True)
# A provider of this cache is pickled as one with a cache of its own, without those of all other keys.
_PICKLED_OPTIONS = {"spread_first_refresh": True}


class RoleCacheStatistics(NamedTuple):
    """How much a ``RoleCache`` does, at one moment. The counts grow from its creation on."""

    size: int
    """The number of keys that have an entry, at most ``max_size``."""
    created: int
    """How many entries were created with a new provider of ``provider_for``."""
    evicted: int
    """How many entries were evicted to make room for others."""
    calls_in_progress: int
    """How many calls of services are in progress, in all event loops."""
    calls_waiting: int
    """How many calls wait until others end, because ``max_concurrency`` are in progress."""


class RoleCache(Generic[K]):
    """The cached providers of many roles, one for each key, such as a tenant or an account.

    ``await roles(key)`` returns the credentials of the provider that ``provider_for(key)`` made, and
    ``roles.provider(key)`` that provider, cached, for adapters, ``keep_fresh``, ``invalidate`` and ``min_ttl``. Each
    key has one refresh at a time, and keys that were created together are refreshed at different times. One object may
    be used in any number of event loops and threads. It is pickled with ``provider_for``, without credentials.

    Args:
        provider_for: A function that returns the provider of a key: one of this library, or an async function as in
            ``cached``. It is called when the key has no entry, and must be quick. The cache of a key has the options of
            the provider if that is made by ``cached``. An error that it raises concerns that call only.
        max_size: The number of keys with an entry. Beyond it, entries that were not used for long are evicted, but
            those in use are found again as long as they are used. Default: 10,000, of a few kilobytes each.
        max_concurrency: How many calls of services (such as STS) and commands the providers make at once, in each event
            loop. Others wait for at most five minutes. An async function of yours limits itself. Default: 20, which
            keeps far below the 600 calls per second that STS admits to an account by default.
        observer: A function that receives the key and the event whenever an event of ``anycreds.events`` happens, as in
            ``cached``. Default: none.
        clock: Replaces the clocks and random numbers of this machine, for tests. Default: None.

    Raises:
        InvalidConfigurationError: An option is not valid.

    Example:
        >>> base = anycreds.from_default_chain()
        >>> def role_of(tenant: str) -> anycreds.Provider:
        ...     return anycreds.from_temporary_credentials(f"{PREFIX}/{tenant}", source_credentials=base)
        >>> roles = anycreds.RoleCache(role_of)
        >>> async def main():
        ...     credentials = await roles("red")

    See:
        ``docs/howto/workers.md`` in the repository.

    """

    __slots__ = ("__weakref__", "_call_limit", "_clock", "_entries", "_observer", "_provider_for", "_states")

    def __init__(
        self,
        provider_for: Callable[[K], CredentialProvider | ContextFunction],
        *,
        max_size: int = 10_000,
        max_concurrency: int = 20,
        observer: Callable[[K, Event], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not callable(provider_for):
            raise InvalidConfigurationError(
                f"provider_for is {type(provider_for).__name__}; expected a function", source=_NAME
            )
        self._provider_for = provider_for
        self._entries: RoleEntries[K] = RoleEntries(_checked_limit("max_size", max_size))
        self._states = self._entries.states
        self._call_limit = CallLimit(_checked_limit("max_concurrency", max_concurrency))
        self._observer = observer
        self._clock = clock
        RUNTIME.after_fork(self, RoleCache._reset_after_fork)

    def _reset_after_fork(self) -> None:
        self._entries.reset_after_fork()
        self._call_limit.reset_after_fork()

    async def __call__(self, key: K) -> Credentials:
        """Return valid credentials of a key. For ``min_ttl`` and ``refresh``, await ``provider(key)``.

        Args:
            key: Any hashable value.

        Returns:
            Credentials that have not expired.

        Raises:
            CredentialsError: What ``provider(key)`` or its provider raises.

        """
        try:
            state = self._states[key]
            start, end, credentials, clock = state.fast_path
            if start <= clock() < end:
                state.is_used = True
                return credentials
        except (KeyError, TypeError):  # of a key without an entry, or one that is not hashable
            pass
        return await self.provider(key)()

    def provider(self, key: K) -> CachedProvider:
        """Return the cached provider of a key, the same object for as long as anything refers to it.

        Args:
            key: Any hashable value.

        Returns:
            The provider. It stays valid if its entry is evicted.

        Raises:
            InvalidConfigurationError: The key is not hashable, or ``provider_for`` did not return a provider.
            RetrievalError: ``provider_for`` raised an exception, which is the cause of this error.
            CredentialsError: What ``provider_for`` raised.

        Example:
            >>> async def main():
            ...     credentials = await roles.provider("red")(min_ttl=timedelta(minutes=30))

        """
        try:
            hash(key)
        except TypeError:
            message = f"a key is {type(key).__name__}, which is not hashable"
            raise InvalidConfigurationError(message, source=_NAME, hint="use a text or a tuple") from None
        entry = self._entries.get(key)
        if entry is None:
            return self._entries.add(key, self._new_provider(key)).provider
        entry.state.is_used = True
        return entry.provider

    def discard(self, key: K) -> bool:
        """Remove the entry of a key. The next call for it asks ``provider_for`` again.

        Callers that wait for its refresh, and adapters that have its provider, are not affected.

        Args:
            key: Any hashable value.

        Returns:
            Whether there was an entry.

        """
        return self._entries.discard(key)

    @property
    def statistics(self) -> RoleCacheStatistics:
        """What the cache has done, and what is in progress."""
        entries = self._entries
        return RoleCacheStatistics(len(entries.states), entries.created, entries.evicted, *self._call_limit.count())

    def _new_provider(self, key: K) -> CachedProvider:
        given = self._given_provider(key)
        if isinstance(given, CachedProvider):
            source, runtime, options, context = given._source, given._runtime, given._state.options, given._context
        else:
            source = as_provider(given, RUNTIME)
            runtime, options, context = source._runtime, DEFAULT_OPTIONS, NO_CONTEXT
        if self._clock is not None:
            runtime = runtime.with_clock(self._clock)
        if not options.spread_first_refresh:
            options = _SPREAD if options is DEFAULT_OPTIONS else options._replace(spread_first_refresh=True)
        if self._observer is not None:
            options = options._replace(observer=partial(self._observer, key))
        provider = CachedProvider(source, runtime.with_call_limit(self._call_limit), options, context)
        provider._made_by = FactoryCall("cached", ("provider",), (given,), _PICKLED_OPTIONS)
        return provider

    def _given_provider(self, key: K) -> CredentialProvider | ContextFunction:
        try:
            given: object = self._provider_for(key)
        except CredentialsError:
            raise
        except Exception as error:
            failure = RetrievalError(
                f"provider_for raised {type(error).__name__}", source=_NAME, hint="see the cause of this error"
            )
            raise failure._keep_cause(error) from error
        if callable(given):
            return given
        if isinstance(given, Coroutine):
            given.close()  # it would warn that it was never awaited
        raise InvalidConfigurationError(
            f"provider_for returned {type(given).__name__}; expected a provider of this library or an async function",
            source=_NAME,
            hint="define provider_for with def, and let it raise a CredentialsError for a key without a provider",
        )

    def __reduce__(self) -> tuple[Any, ...]:
        options: dict[str, Any] = {
            "max_size": self._entries.max_size,
            "max_concurrency": self._call_limit.max_concurrency,
        }
        if self._observer is not None:
            options["observer"] = self._observer
        from .pickling import reduced_once

        return reduced_once(self, "RoleCache", (self._provider_for,), options)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<anycreds role cache: {len(self._states)} of at most {self._entries.max_size} keys>"


def _checked_limit(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidConfigurationError(f"{name} is not a whole number of at least 1", source=_NAME)
    return value
