"""Defines a provider: an async callable that returns ``Credentials`` or raises a ``CredentialsError``.

A built-in provider implements ``_load(io, context)``, which asks the outside world through ``io`` only, and raises its
errors where it finds them. ``Provider._fetch`` is the one boundary around it: no exception that leaves a provider keeps
a frame that could hold a secret.

A provider that can answer without waiting also implements the plain function ``_load_now``, with the boundary
``_fetch_now``. It is called first, and needs no task, no thread and no backend. Its events are collected in a list, as
nothing is reported if it gives no answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from .attempts import ATTEMPT_TIMEOUT, answer_now
from .credentials import Credentials
from .errors import (
    CredentialsError,
    InvalidConfigurationError,
    ReentrantProviderError,
    RetrievalError,
    strip_frames,
)

if TYPE_CHECKING:
    from .disk_cache_key import DiskCacheKey
    from .events import Event
    from .io import ImmediateIo, Io, Runtime

CredentialProvider: TypeAlias = Callable[[], Awaitable[Credentials]]
"""Any provider of this library, and any async function without arguments that returns ``Credentials``."""


class ClientContext(NamedTuple):
    """What a provider knows about the client that needs the credentials. Its profile counts as selected explicitly.

    Attributes:
        region: The client's region; None if it has none.
        profile: The client's profile; None if it has selected none.

    """

    region: str | None = None
    profile: str | None = None


ContextFunction: TypeAlias = Callable[[ClientContext], Awaitable[Credentials]]
"""Any async function that takes the ``ClientContext`` and returns the ``Credentials`` for this client."""

NO_CONTEXT = ClientContext()
# For a provider whose credentials may depend on all that is known about the client.
WHOLE_CONTEXT = frozenset(ClientContext._fields)


class ActiveCall:
    """A call of a provider, or a refresh of a cache, while it runs. Tasks that it starts may outlive it."""

    __slots__ = ("is_running", "provider")

    def __init__(self, provider: Provider) -> None:
        self.provider: Provider = provider
        self.is_running: bool = True


# The calls that the current code is a part of, the outermost first: a refresh, if there is one, and uncached providers.
active_calls: ContextVar[tuple[ActiveCall, ...]] = ContextVar("anycreds_calls", default=())


class Provider:
    """Base of the built-in providers. ``await provider()`` calls the source every time; nothing is cached.

    Two values are fixed when a provider is built:

    ``_may_prompt_user``: whether an attempt may prompt the user, for an MFA code. The cache then never refreshes ahead.
    ``_context_fields``: the fields of the ``ClientContext`` that the credentials may depend on. A cache keeps one entry
    for all clients that agree in these.

    A provider is pickled as the call of the factory that made it, without credentials. A copy is the provider itself.
    """

    __slots__ = ("__weakref__", "_context_fields", "_made_by", "_may_prompt_user", "_runtime", "name")

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        *,
        may_prompt_user: bool = False,
        context_fields: frozenset[str] = frozenset(),
    ) -> None:
        self.name: str = name
        self._runtime = runtime
        self._may_prompt_user = may_prompt_user
        self._context_fields = context_fields
        self._made_by: Callable[[Provider], tuple[Any, ...]] | None = None  # how it is pickled; set by its factory

    async def __call__(self) -> Credentials:
        """Return credentials from the source.

        Returns:
            Credentials that have not expired.

        Raises:
            CredentialsError: The source has no credentials or could not be used. Nothing else is raised.

        """
        return await self._call(NO_CONTEXT)

    def for_client(self, context: ClientContext) -> Provider:
        """Return this provider for one client.

        Args:
            context: The region and profile of the client, which the provider uses where its own options, the
                environment and the selected profile leave them open.

        Returns:
            A provider that resolves credentials for this client.

        """
        return ClientContextProvider(self, context)

    async def _call(self, context: ClientContext) -> Credentials:
        calls = active_calls.get()
        if any(call.provider is self and call.is_running for call in calls):
            names = " -> ".join(call.provider.name for call in calls if call.is_running)
            raise ReentrantProviderError(f"the provider awaits itself: {names} -> {self.name}", source=self.name)
        call = ActiveCall(self)
        active_calls.set((*calls, call))
        try:
            if modules := self._modules_for_now(self._runtime, context):
                await self._runtime.preload(modules)
            if (credentials := answer_now(self._fetch_now, self._runtime, context)) is not None:
                return credentials
            await self._runtime.preload()
            async with self._runtime.open_io(self.name, ATTEMPT_TIMEOUT) as io:
                return await self._fetch(io, context)
        finally:
            call.is_running = False
            active_calls.set(calls)

    async def _fetch(self, io: Io, context: ClientContext) -> Credentials:
        """Return what ``_load`` returns, if it has not expired; let exceptions out without the frames below."""
        caller, io.waiting_for = io.waiting_for, self.name
        try:
            credentials = self._check_expiration(await self._load(io, context), io.time())
        except BaseException as raised:
            self._strip(raised)
            if isinstance(raised, Exception):  # after a cancellation, this provider is the one that did not respond
                io.waiting_for = caller
            raise
        io.waiting_for = caller
        return credentials

    def _fetch_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        """Return what ``_load_now`` returns, like ``_fetch``."""
        try:
            credentials = self._load_now(io, context, events)
            return None if credentials is None else self._check_expiration(credentials, io.time())
        except BaseException as raised:
            self._strip(raised)
            raise

    def _strip(self, raised: BaseException) -> None:
        strip_frames(raised)
        if isinstance(raised, CredentialsError):
            raised.source = raised.source or self.name

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        """Get credentials from the source, or raise a ``CredentialsError``."""
        raise TypeError(f"{type(self).__name__} does not implement _load")

    def _load_now(self, io: ImmediateIo, context: ClientContext, events: list[Event]) -> Credentials | None:
        """Return or raise what ``_load`` would if that waits for nothing, and add its events; else return None."""
        return None

    def _modules_for_now(self, io: ImmediateIo, context: ClientContext) -> tuple[str, ...]:
        """Return the modules that ``_load_now`` cannot do without, to be imported in a thread before."""
        return ()

    def _check_expiration(self, credentials: Credentials, now: float) -> Credentials:
        """Return the credentials. Raise ``RetrievalError`` if they have expired."""
        expiration = credentials.expiration
        if expiration is None or expiration.timestamp() > now:
            return credentials
        age = now - expiration.timestamp()
        raise RetrievalError(
            f"the source returned credentials that expired at {expiration.isoformat()}, {age:.0f} s ago",
            source=self.name,
            hint="if the source is right, set the clock of this machine",
        )

    def _allows_stale(self, credentials: Credentials) -> bool:
        """Return whether these credentials may be used past their expiration during an outage (static stability)."""
        return False

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        """Return what identifies these credentials in the cache of the AWS CLI; None if it has no rule for them."""
        return None

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        """Return where an attempt for this client looks, as found on this machine; for display, without secrets."""
        return []

    def __reduce__(self) -> tuple[Any, ...]:
        if self._made_by is None:
            raise InvalidConfigurationError(
                f"{type(self).__name__} cannot be pickled: no function of anycreds has returned it",
                source=self.name,
                hint="create the provider in the other process",
            )
        return self._made_by(self)

    def __copy__(self) -> Self:
        return self  # one cache, and one refresh at a time, for everything that uses it

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<anycreds provider: {self.name}>"


class ClientContextProvider(Provider):
    """A provider together with the client that it serves."""

    __slots__ = ("_context", "_provider")

    def __init__(self, provider: Provider, context: ClientContext) -> None:
        super().__init__(provider.name, provider._runtime, may_prompt_user=provider._may_prompt_user)
        self._provider = provider
        self._context = context

    def for_client(self, context: ClientContext) -> Provider:
        """Return the provider for another client. See ``Provider.for_client``."""
        return self._provider.for_client(context)

    async def __call__(self) -> Credentials:
        """Return credentials from the source, for this client. See ``Provider.__call__``."""
        return await self._provider._call(self._context)

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        return await self._provider._fetch(io, self._context)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._provider.for_client, (self._context,)

    async def _disk_cache_key(self, io: Io, context: ClientContext) -> DiskCacheKey | None:
        return await self._provider._disk_cache_key(io, self._context)

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._provider._allows_stale(credentials)
