"""A block in which a set is refreshed ahead of need, by one task that ends with the block."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

import anyio

from .._core.credentials import Credentials
from .._core.errors import CredentialsError, InvalidConfigurationError, RetrievalError
from .._core.frozen_credentials import FrozenCredentials
from .._core.logs import log
from .refresh import GRACE

if TYPE_CHECKING:
    from types import TracebackType

    from .._core.provider import Provider
    from .state import Memory

# The wall clock may be set, or the machine suspended, while the keeper sleeps: it looks again at least this often.
LONGEST_SLEEP = 30.0
# The keeper never spins, whatever is due.
SHORTEST_SLEEP = 0.05


class FreshCredentials:
    """What ``async with provider.keep_fresh() as handle`` gives."""

    __slots__ = ("_memory", "_name")

    def __init__(self, name: str, memory: Memory) -> None:
        self._name = name
        self._memory = memory

    @property
    def credentials(self) -> Credentials:
        """The set that is valid now. A plain read: it never waits and never asks anybody.

        Raises a ``CredentialsError`` if the source was down for so long that the last set has ended.
        """
        held, now = self._memory.held, self._memory.now
        if held is not None and held.left(now) > 0:
            return held.credentials
        if self._memory.last_error is not None:
            raise self._memory.last_error._copy()
        raise RetrievalError("there is no valid set, and no newer one has come yet", source=self._name)

    def get_frozen_credentials(self) -> FrozenCredentials:
        """Return the set that is valid now, under botocore's names, for what signs without awaiting. A plain read.

        So the handle stands for a botocore credentials object with whoever asks it at each signature, in any thread:
        the signers of opensearch-py (also those of its async client), and requests-aws4auth with its
        ``refreshable_credentials``.

        >>> async def signed(request):
        ...     async with anycreds.from_default_chain().keep_fresh() as handle:
        ...         SigV4Auth(handle.get_frozen_credentials(), "es", "eu-central-1").add_auth(request)

        Raises a ``CredentialsError`` if the source was down for so long that the last set has ended.
        """
        return FrozenCredentials(self.credentials)


class KeepFresh:
    """See ``CachedProvider.keep_fresh``."""

    __slots__ = ("_has_ended", "_memory", "_provider", "_scope")

    def __init__(self, provider: Provider, memory: Memory) -> None:
        self._provider = provider
        self._memory = memory
        self._refuse_person()

    def _refuse_person(self) -> None:
        if self._memory.may_prompt_user:
            raise InvalidConfigurationError(
                "cannot be kept fresh, since it asks a person", source=self._provider.name, hint="await it when needed"
            )

    async def __aenter__(self) -> FreshCredentials:
        await self._provider()
        self._refuse_person()  # a profile tells only when it has been read
        self._scope = anyio.CancelScope()
        self._has_ended = anyio.Event()
        name = f"anycreds keep fresh: {self._provider.name}"
        self._provider._runtime.spawn_system_task(self._keep, self._has_ended.set, name, copy_context())
        return FreshCredentials(self._provider.name, self._memory)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.cancel()
        try:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + GRACE):
                await self._has_ended.wait()
        finally:  # asyncio's own cancel() knows no shield
            flight = self._memory.flight_of(self._provider._runtime.current_loop())
            if flight is not None:
                await flight.end()

    async def _keep(self) -> BaseException | None:
        try:
            with self._scope:
                while True:
                    await anyio.sleep(min(LONGEST_SLEEP, max(SHORTEST_SLEEP, self._memory.due_in)))
                    await self._refresh()
        except (KeyboardInterrupt, SystemExit) as leave:
            return leave
        return None

    async def _refresh(self) -> None:
        try:
            await self._provider()
            flight = self._memory.flight_of(self._provider._runtime.current_loop())
            if flight is not None:
                await flight.wait(LONGEST_SLEEP)
        except CredentialsError as error:
            log("keep_fresh", "info", "%s", error)  # the next try is due when the cache says so
