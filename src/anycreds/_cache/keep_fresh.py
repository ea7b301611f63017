"""A block in which credentials are refreshed ahead of need, by one task that ends with the block."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError
from .._core.frozen_credentials import FrozenCredentials
from .._core.logs import log
from .policy import next_refresh_in
from .refresh import CLEANUP_TIMEOUT

if TYPE_CHECKING:
    from types import TracebackType

    from .._core.provider import Provider
    from .refresh import InFlightRefresh
    from .state import CacheState

# The wall clock may be set, or the machine suspended, while the task sleeps: it checks again at least this often.
MAX_SLEEP = 30.0
# The task sleeps at least this long, so that it never uses the processor all the time.
MIN_SLEEP = 0.05


class FreshCredentials:
    """Credentials that ``keep_fresh`` refreshes: what ``async with provider.keep_fresh() as fresh`` returns.

    Example:
        >>> async def main():
        ...     async with anycreds.from_default_chain().keep_fresh() as fresh:
        ...         sign(request, fresh.credentials)

    """

    __slots__ = ("_state",)

    def __init__(self, state: CacheState) -> None:
        self._state = state

    @property
    def credentials(self) -> Credentials:
        """The credentials that are valid now. A plain read in any thread, which never waits.

        Raises:
            CredentialsError: The source has been down for so long that the last credentials have expired.

        """
        snapshot = self._state.snapshot
        if snapshot.cached is not None and snapshot.cached.remaining(self._state.now) > 0:
            return snapshot.cached.credentials
        if snapshot.failure is not None:
            raise snapshot.failure.error._copy()
        raise RetrievalError(
            "the cached credentials expired or were invalidated, and the refresh has not finished yet",
            source=self._state.source.name,
        )

    def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the credentials that are valid now, under botocore's names. A plain read in any thread.

        So this object can be used as a botocore credentials object by signers that read the credentials for each
        signature: those of opensearch-py, and requests-aws4auth with its ``refreshable_credentials``.

        Returns:
            An object with ``access_key``, ``secret_key``, ``token`` and ``account_id``.

        Raises:
            CredentialsError: The source has been down for so long that the last credentials have expired.

        Example:
            >>> async def signed(request):
            ...     async with anycreds.from_default_chain().keep_fresh() as fresh:
            ...         SigV4Auth(fresh.get_frozen_credentials(), "es", "eu-central-1").add_auth(request)

        """
        return FrozenCredentials(self.credentials)


class KeepFresh:
    """The ``async with`` block of ``CachedProvider.keep_fresh``.

    Raises:
        InvalidConfigurationError: A refresh may prompt the user, which must not happen ahead of need.

    """

    __slots__ = ("_done", "_loop", "_provider", "_scope", "_state", "_withdrawn")

    def __init__(self, state: CacheState, provider: Provider) -> None:
        self._state = state
        self._provider = provider
        self._check_no_prompt()

    def _check_no_prompt(self) -> None:
        if self._state.may_prompt_user:
            raise InvalidConfigurationError(
                "keep_fresh cannot be used, because a refresh may prompt the user",
                source=self._provider.name,
                hint="await the provider when the credentials are needed",
            )

    async def __aenter__(self) -> FreshCredentials:
        """Wait for the first credentials, and start the task.

        Returns:
            The credentials, refreshed until the block is left.

        Raises:
            InvalidConfigurationError: A refresh may prompt the user.
            CredentialsError: What ``await provider()`` raises.

        """
        await self._provider()
        self._check_no_prompt()  # a profile shows it only when it has been read
        await self._state.runtime.preload()  # the first credentials may have been there without it
        import anyio

        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._loop = self._state.runtime.current_loop()
        self._withdrawn: InFlightRefresh | None = None
        name = f"anycreds keep_fresh: {self._provider.name}"
        self._state.runtime.spawn_system_task(self._run, self._on_end, name, copy_context())
        self._state.open_blocks.append(self._loop)
        return FreshCredentials(self._state)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the task, and the refresh in progress unless a caller or another block needs it."""
        self._scope.cancel()
        try:
            await self._wait_for_end()
        except BaseException:  # asyncio's own ``Task.cancel`` ignores shields
            await self._wait_for_end()
            raise

    async def _wait_for_end(self) -> None:
        import anyio

        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLEANUP_TIMEOUT):
            await self._done.wait()
        if self._withdrawn is not None:
            await self._withdrawn.cancel()

    def _on_end(self) -> None:
        """Withdraw the refresh in progress, for which the task no longer waits, unless another block needs it."""
        state = self._state
        state.open_blocks.remove(self._loop)
        refresh = None if self._loop in state.open_blocks else state.refreshes.own(self._loop)
        if refresh is not None and refresh.withdraw():
            self._withdrawn = refresh
        self._done.set()

    async def _run(self) -> BaseException | None:
        import anyio

        try:
            with self._scope:
                while True:
                    due_in = next_refresh_in(self._state.snapshot, self._state.now)
                    await anyio.sleep(min(MAX_SLEEP, max(MIN_SLEEP, due_in)))
                    try:
                        await self._provider()
                        if (refresh := self._state.refresh_for(self._loop)) is not None:
                            await refresh.wait(MAX_SLEEP)
                    except CredentialsError as failure:
                        log("keep_fresh", "info", "%s", failure)  # the state knows when the next attempt is due
        except (KeyboardInterrupt, SystemExit) as process_exit:
            return process_exit
        return None
