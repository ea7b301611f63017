"""The provider that caches: returns cached credentials, and refreshes them once for all callers.

A hit takes no lock, awaits nothing and makes no decision: see ``CacheState``. Otherwise a call is a loop of three
steps: decide (``CacheState.plan_call``), wait for the refresh in the plan (``InFlightRefresh.wait``), read its outcome.
A refresh whose source answers without waiting ends within the first step, without a task.
The loop runs again only after a wait that was limited, or after a refresh that was abandoned or void.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from .._core.credentials import Credentials
from .._core.durations import as_seconds
from .._core.logs import notify_observer
from .._core.provider import NO_CONTEXT, ClientContext, Provider
from .._core.used_files import use_files
from .after_waiting import MAX_ABANDONED_REFRESHES, MAX_LOST_REFRESHES, result_after, result_after_abandoned
from .outcome import ABANDONED
from .refresh_windows import CacheOptions
from .state import CacheState, CallPlan

if TYPE_CHECKING:
    from .._core.io import Clock, Io, Runtime
    from .keep_fresh import KeepFresh


class CachedProvider(Provider):
    """A provider that caches its credentials. Made by ``cached`` and ``from_default_chain``.

    ``await provider()`` returns the cached credentials while they are valid, refreshes them before they expire, and
    makes one upstream call for any number of concurrent callers. A refresh belongs to no caller, so cancelling a
    caller never affects another one. One object may be used in any number of event loops and threads, on trio and
    asyncio; they share its credentials and its calls.

    Example:
        >>> provider = anycreds.cached(anycreds.from_instance_metadata())
        >>> async def main():
        ...     credentials = await provider()
        ...     upload = await provider(min_ttl=timedelta(minutes=30))

    """

    __slots__ = ("_clients", "_context", "_root", "_source", "_state")

    def __init__(
        self,
        source: Provider,
        runtime: Runtime,
        options: CacheOptions,
        context: ClientContext = NO_CONTEXT,
        root: CachedProvider | None = None,
    ) -> None:
        super().__init__(
            source.name, runtime, may_prompt_user=source._may_prompt_user, context_fields=source._context_fields
        )
        self._source = source
        self._context = context
        self._root = root
        self._clients: dict[ClientContext, CachedProvider] = {}
        self._state = CacheState(source, runtime, options, context)
        runtime.after_fork(self._state, CacheState.reset_after_fork)

    async def __call__(self, min_ttl: timedelta | float | None = None, refresh: bool = False) -> Credentials:
        """Return valid credentials.

        Args:
            min_ttl: The remaining lifetime that the credentials must have, as a timedelta or in seconds. If the cached
                ones have less, the call waits for a refresh. Default: any.
            refresh: Whether to wait for one refresh now, such as after the permissions of a role have changed. Callers
                join a refresh in progress, and the source is called at most once per second. If the refresh fails, the
                cached credentials are returned while they are valid, with a warning in the log. Default: no.

        Returns:
            Credentials that have not expired.

        Raises:
            LifetimeTooShortError: The newest credentials that the source issues are valid for less than ``min_ttl``.
            CredentialsError: The provider's own error, if no valid credentials are cached.

        """
        start, end, credentials, clock = self._state.fast_path
        if min_ttl is None and not refresh and start <= clock() < end:
            return credentials
        seconds = None if min_ttl is None else as_seconds("min_ttl", min_ttl)
        return await self._get_credentials(seconds, force=refresh)

    def invalidate(self, credentials: Credentials) -> bool:
        """Drop the cached credentials because a service rejected them. The next call gets new ones from the source.

        The result of a refresh that is in progress is not used either. If the source returns the same credentials
        again, they are cached, and cannot be invalidated again for five minutes. The source is called at most once per
        second, however often credentials are invalidated.

        Args:
            credentials: The rejected credentials.

        Returns:
            Whether they were dropped: True if they are the cached ones.

        Example:
            >>> async def call(request):
            ...     credentials = await provider()
            ...     response = await send(request, credentials)
            ...     if response.code == "ExpiredToken" and provider.invalidate(credentials):
            ...         response = await send(request, await provider())

        """
        return self._state.invalidate(credentials)

    def for_client(self, context: ClientContext) -> CachedProvider:
        """Return the provider for one client, which has its own cache only if it has to.

        Credentials are cached separately for contexts that differ in what the source depends on. A role of STS depends
        on the region, because it selects the endpoint; a profile depends on both fields; a function, a container or
        environment variables depend on neither. So ``invalidate`` and ``keep_fresh`` reach every client that has the
        same credentials.

        Args:
            context: The region and profile of the client.

        Returns:
            This provider if it serves the context already; otherwise one provider for all equal contexts.

        """
        relevant = ClientContext(**{name: getattr(context, name) for name in self._context_fields})
        if relevant == self._context:
            return self
        root = self._root or self
        if relevant == root._context:
            return root
        clients = root._clients
        return clients.get(relevant) or clients.setdefault(
            relevant, CachedProvider(self._source, self._runtime, self._state.options, relevant, root)
        )

    def keep_fresh(self) -> KeepFresh:
        """Return an ``async with`` block in which the credentials are refreshed ahead of need, so that no caller waits.

        Entering the block waits for the first credentials. Leaving it ends its task, and the refresh in progress
        unless a caller or another block needs it.

        Returns:
            The block. Its ``as`` target is a ``FreshCredentials``, whose ``credentials`` can be read without waiting.

        Raises:
            InvalidConfigurationError: A refresh may prompt the user, which must not happen ahead of need. It may also
                be raised on entry, because a profile shows this only when it has been read.
            CredentialsError: On entry: what ``await provider()`` raises.

        Example:
            >>> async def main():
            ...     async with anycreds.from_default_chain().keep_fresh() as fresh:
            ...         sign(request, fresh.credentials)

        """
        from .keep_fresh import KeepFresh

        return KeepFresh(self._state, self)

    def _with_options(self, clock: Clock | None = None, **changes: Any) -> CachedProvider:
        """Return a provider with a cache of its own for the same source and context, with these options changed."""
        runtime = self._runtime if clock is None else self._runtime.with_clock(clock)
        return CachedProvider(self._source, runtime, self._state.options._replace(**changes), self._context)

    def __reduce__(self) -> tuple[Any, ...]:
        return super().__reduce__() if self._root is None else (self._root.for_client, (self._context,))

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        provider = self if context == NO_CONTEXT else self.for_client(context)
        credentials = await provider()  # in a chain too, a cache makes its own attempts
        io.prompts_user = io.prompts_user or provider._state.may_prompt_user
        snapshot = provider._state.snapshot  # a refresh may have ended since
        use_files(snapshot.files.used)
        cached = snapshot.cached
        return credentials if cached is None or cached.remaining(provider._state.now) <= 0 else cached.credentials

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._state.allows_stale(credentials)

    async def _get_credentials(self, min_ttl: float | None, *, force: bool) -> Credentials:
        state, loop = self._state, self._runtime.current_loop()
        has_waited, abandoned, lost, observer = False, 0, 0, state.options.observer
        while abandoned < MAX_ABANDONED_REFRESHES:
            started = 0.0 if observer is None else self._runtime.monotonic()  # before a task that may start eagerly
            max_wait = math.inf
            refresh = None if min_ttl is not None or lost >= MAX_LOST_REFRESHES else state.refreshes.joinable(loop)
            if refresh is None:
                credentials, refresh, max_wait, _ = await self._plan(
                    loop, min_ttl, has_waited=has_waited, force=force, prefer_own=lost >= MAX_LOST_REFRESHES
                )
                if refresh is None or max_wait <= 0:
                    assert credentials is not None  # only a caller that waits may have none
                    return credentials
                del credentials  # many may wait below, and each would keep one
            with self._runtime.pause_attempt():
                outcome = await refresh.wait(max_wait)
            if observer is not None:
                from .._core.events import Waited

                notify_observer(observer, Waited(self.name, self._runtime.monotonic() - started))
            if min_ttl is None and (cached := state.cached_or_none()) is not None:
                return cached
            if outcome is None:
                has_waited = True
            elif (found := result_after(state, outcome, min_ttl, is_repeated=abandoned > 0)) is not None:
                return found
            elif refresh.is_remote and outcome is ABANDONED:
                lost, has_waited = lost + 1, has_waited or max_wait < math.inf
            elif not refresh.is_withdrawn:
                abandoned += 1
        return result_after_abandoned(state, min_ttl)

    async def _plan(self, loop: Hashable, min_ttl: float | None, **options: bool) -> CallPlan:
        """Decide, and start the refresh that this needs. If the source answers at once, it has ended already."""
        state, plan = self._state, None
        decide = partial(state.plan_call, loop, min_ttl, **options)
        if state.snapshot.files.seen:
            from .changed_files import check_files

            await check_files(state, self)
        if modules := self._source._modules_for_now(self._runtime, self._context):
            await self._runtime.preload(modules)
        if not state.refreshes.is_planned(loop):  # otherwise a caller has found that the source does not answer at once
            plan = decide()
            if plan.new is None:
                return plan
            if plan.new.finish_now():
                newest = state.cached_or_none() if min_ttl is None else None
                return plan._replace(credentials=newest or plan.credentials)
        if await self._runtime.preload() or plan is None:  # otherwise no other task has run since
            plan = decide()
        while plan.new is not None and not state.share_refresh(plan.new):  # another event loop was faster
            plan = decide()
        if plan.new is not None:
            plan.new.start(self)
        return plan
