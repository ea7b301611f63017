"""What a provider is: an async callable that answers with credentials or raises a ``CredentialsError``.

A built-in one says in ``_load`` what it found, as a value: a set, or the error to raise. So an error is raised in a
frame that never held a token or an answer's body, and its traceback has no secret to show.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import nullcontext
from contextvars import ContextVar
from typing import NamedTuple, TypeAlias

from .credentials import Credentials
from .errors import CredentialsError, ReentrantProviderError, RetrievalError
from .events import AttemptFailed, AttemptStarted
from .io import Io, PauseDeadline, Runtime
from .observer import notify

CredentialProvider: TypeAlias = Callable[[], Awaitable[Credentials]]
"""Whatever can be awaited for credentials: every provider here, and any async function without arguments."""


class ClientContext(NamedTuple):
    """What is known of the client that credentials are for. Its profile counts as named."""

    region: str | None = None
    profile: str | None = None


NO_CONTEXT = ClientContext()


class _ActiveCall:
    """A call of a provider that remembers nothing, while it runs. Tasks that it starts may outlive it."""

    __slots__ = ("is_running", "provider")

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.is_running = True


# The calls that this one is a part of. (A cached provider finds its circles in ``_flight``.)
_calls: ContextVar[tuple[_ActiveCall, ...]] = ContextVar("anycreds_calls", default=())


# The flight that this code runs in: its event loop run, and what makes its clock stand still.
_flight: ContextVar[tuple[Hashable, PauseDeadline] | None] = ContextVar("anycreds_flight_clock", default=None)


def clear_call_stack() -> None:
    """Forget, in this context, which calls are running."""
    _calls.set(())


def set_refresh_context(run: Hashable, held: PauseDeadline) -> None:
    """Note, in this context, that it is a flight's, whose clock stands still while a person is asked."""
    _flight.set((run, held))


class Provider:
    """Base of the built-in providers. ``await provider()`` asks once and remembers nothing."""

    __slots__ = ("__weakref__", "_runtime", "name")

    def __init__(self, name: str, runtime: Runtime) -> None:
        self.name = name
        self._runtime = runtime

    async def __call__(self) -> Credentials:
        """Ask for credentials now.

        Raises a ``CredentialsError`` and nothing else.
        """
        return await self._call(ClientContext())

    def for_client(self, context: ClientContext) -> Provider:
        """Return this provider with what is known of the client that it serves."""
        return ClientContextProvider(self, context)

    async def _call(self, context: ClientContext) -> Credentials:
        calls = _calls.get()
        if any(call.provider is self and call.is_running for call in calls):
            names = " -> ".join(call.provider.name for call in calls if call.is_running)
            raise ReentrantProviderError(f"it awaits itself: {names} -> {self.name}", source=self.name)
        call = _ActiveCall(self)
        _calls.set((*calls, call))
        try:
            if self._attempt_timeout() is not None:
                await self._runtime.preload()
            async with self._runtime.open_io(self._held()) as io:
                return await self._fetch(io, context)
        finally:
            call.is_running = False
            _calls.set(calls)

    def _held(self) -> PauseDeadline | None:
        """Return the clock of the flight that a function of the program, which calls this, is a part of."""
        flight = _flight.get()
        # The clock of another run is not ours to touch: it may be in another thread.
        return flight[1] if flight is not None and flight[0] == self._runtime.current_loop() else None

    async def _fetch(self, io: Io, context: ClientContext) -> Credentials:
        budget = self._attempt_timeout()
        with nullcontext() if budget is None else io.deadline(budget, self.name):
            answer = await self._load(io, context)
        return self._validated(answer, io.time())

    def _validated(self, answer: Credentials | CredentialsError, now: float) -> Credentials:
        """Return the set that an attempt gave; raise its error, or the one that the set has ended already."""
        if isinstance(answer, CredentialsError):
            raise answer
        end = answer.expiration
        if end is not None and end.timestamp() <= now:
            raise RetrievalError(_expired(end.isoformat(), now - end.timestamp()), source=self.name, hint=_CLOCK_HINT)
        return answer

    async def _load(self, io: Io, context: ClientContext) -> Credentials | CredentialsError:
        raise TypeError(f"{type(self).__name__} does not say how it gets credentials")

    def _attempt_timeout(self) -> float | None:
        """Return how many seconds a whole attempt may take; None: it waits for nothing."""
        return 60.0  # as long as a flight: for what has no shorter bound of its own

    def _allows_stale(self, credentials: Credentials) -> bool:
        """Tell whether this set may be served past its end while its source is down (static stability)."""
        return False

    def _may_prompt_user(self, context: ClientContext = NO_CONTEXT) -> bool:
        """Tell whether an attempt for this caller may ask somebody, so that none is made ahead of need."""
        return False

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        """Return where an attempt for this caller looks, as found on this machine: for people, without secrets."""
        return []

    def __repr__(self) -> str:
        return f"<anycreds provider: {self.name}>"


async def fetch_observed(provider: Provider, io: Io, context: ClientContext) -> Credentials:
    """Ask a provider, and tell whoever watches that it is asked, and if it fails."""
    notify(AttemptStarted(provider.name))
    begun = io.monotonic()
    try:
        return await provider._fetch(io, context)
    except CredentialsError as error:
        notify(AttemptFailed(provider.name, io.monotonic() - begun, error))
        raise


class ClientContextProvider(Provider):
    """A provider that knows its caller."""

    __slots__ = ("_context", "_provider")

    def __init__(self, provider: Provider, context: ClientContext) -> None:
        super().__init__(provider.name, provider._runtime)
        self._provider = provider
        self._context = context

    def for_client(self, context: ClientContext) -> Provider:
        """Return the provider with another caller instead."""
        return self._provider.for_client(context)

    async def __call__(self) -> Credentials:
        """Ask for credentials now, for the caller that this is bound to."""
        return await self._provider._call(self._context)

    async def _fetch(self, io: Io, context: ClientContext) -> Credentials:
        return await self._provider._fetch(io, self._context)

    def _allows_stale(self, credentials: Credentials) -> bool:
        return self._provider._allows_stale(credentials)

    def _may_prompt_user(self, context: ClientContext = NO_CONTEXT) -> bool:
        return self._provider._may_prompt_user(self._context)


_CLOCK_HINT = "if the source is right, this machine's clock is wrong"


def _expired(end: str, seconds: float) -> str:
    return f"gave credentials that ended at {end}, {seconds:.0f} s ago by this machine's clock"
