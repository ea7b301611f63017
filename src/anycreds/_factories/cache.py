"""Factory for the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._cache.provider import CachedProvider
from .._cache.state import CacheOptions
from .._core.durations import as_seconds
from .._core.provider import ClientContext, CredentialProvider
from .runtime import as_provider, runtime_with_clock

if TYPE_CHECKING:
    from datetime import timedelta

    from .._core.events import Observer
    from .._core.io import Clock


def cached(
    provider: CredentialProvider,
    *,
    refresh_window: timedelta | float | None = None,
    recheck_after: timedelta | float | None = None,
    stale_ok: bool = False,
    observer: Observer | None = None,
    clock: Clock | None = None,
) -> CachedProvider:
    """Remember what a provider gives, and refresh it ahead of its end, once, however many tasks ask.

    ``provider`` is a provider of this library or any async function without arguments. ``refresh_window`` is how long
    before its end a set is refreshed (by default 5, 15 or 60 minutes, by its life; never more than half of that).
    ``recheck_after`` refreshes credentials without expiration so long after they arrived. ``stale_ok`` returns
    credentials past their expiration while the source is down, with ``original_expiration`` set. ``observer`` is a
    function that receives what happens, as the
    values in ``anycreds._core.events``: it must be quick. ``clock`` replaces the machine's clock, for tests. Lengths of
    time are timedeltas or seconds. A provider that is cached already is returned as it is; with options, cached anew.

    Raises ``InvalidConfigurationError`` for options that cannot be right.
    """
    options = CacheOptions(
        None if refresh_window is None else as_seconds("refresh_window", refresh_window),
        None if recheck_after is None else as_seconds("recheck_after", recheck_after),
        stale_ok,
        observer,
    )
    if isinstance(provider, CachedProvider):
        if options == CacheOptions() and clock is None:
            return provider
        return CachedProvider(provider._source, runtime_with_clock(clock), options, provider._context)
    return CachedProvider(
        as_provider(provider, runtime_with_clock(clock)), runtime_with_clock(clock), options, ClientContext()
    )
