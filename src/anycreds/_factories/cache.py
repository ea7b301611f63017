"""Factory for the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._cache.provider import CachedProvider
from .._cache.refresh_windows import CacheOptions
from .._core.durations import as_seconds
from .._core.provider import ContextFunction, CredentialProvider
from .factory_call import picklable
from .runtime import RUNTIME, as_provider

if TYPE_CHECKING:
    from datetime import timedelta

    from .._core.events import Observer
    from .._core.io import Clock


@picklable
def cached(
    provider: CredentialProvider | ContextFunction,
    *,
    refresh_window: timedelta | float | None = None,
    recheck_after: timedelta | float | None = None,
    stale_ok: bool | None = None,
    spread_first_refresh: bool | None = None,
    observer: Observer | None = None,
    clock: Clock | None = None,
) -> CachedProvider:
    """Return a provider that caches the credentials of another one, and refreshes them once for all callers.

    Durations are timedeltas or seconds. A cached provider is returned unchanged if no option is given. Otherwise the
    new provider has its own cache, and the options of the given one except for those that are given.

    Args:
        provider: A provider of this library, or any async function that returns ``Credentials``. A function that needs
            one positional argument gets the ``ClientContext``, and its credentials are cached per client.
        refresh_window: How long before their expiration credentials are refreshed, but at most half of their lifetime.
            Default: 5, 15 or 60 minutes, depending on the lifetime.
        recheck_after: How long after their arrival credentials are refreshed whatever their expiration is, for
            credentials without one. Default: never, except that changes of their files are noticed.
        stale_ok: Whether expired credentials are returned while the source is down. Their ``expiration`` is then later,
            and ``original_expiration`` is set. Default: False, except for EC2 metadata.
        spread_first_refresh: Whether the refresh that follows the first credentials, or the first ones after a failure,
            starts at a random time from a quarter of their lifetime on, so that machines or keys that start together do
            not refresh together. Default: False, all refresh at nearly the same age.
        observer: A function that receives the events of ``anycreds.events``. It is called in the task or thread where
            an event happens, so it must be quick. Default: none.
        clock: Replaces the clocks and random numbers of this machine, for tests. Default: None.

    Returns:
        The cached provider.

    Raises:
        InvalidConfigurationError: An option is not valid, or ``provider`` is neither a provider nor a function.

    Example:
        >>> async def from_vault():
        ...     return anycreds.Credentials(*await read_keys("aws"))
        >>> provider = anycreds.cached(from_vault, recheck_after=timedelta(minutes=10))

    See:
        ``docs/design/cache.md`` in the repository has all rules of the cache.

    """
    options = {
        "refresh_window": None if refresh_window is None else as_seconds("refresh_window", refresh_window),
        "recheck_after": None if recheck_after is None else as_seconds("recheck_after", recheck_after),
        "stale_ok": stale_ok,
        "spread_first_refresh": spread_first_refresh,
        "observer": observer,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if isinstance(provider, CachedProvider):
        return provider._with_options(clock, **given) if given or clock is not None else provider
    source = as_provider(provider, RUNTIME)
    runtime = source._runtime if clock is None else source._runtime.with_clock(clock)
    return CachedProvider(source, runtime, CacheOptions(**given))
