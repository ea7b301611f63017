"""What a provider is: an async callable that answers with credentials or raises a ``CredentialsError``.

A built-in one says in ``_attempt`` what it found, as a value: a set, or the error to raise. So an error is raised in a
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
from .io import Held, Io, World
from .observer import tell

CredentialProvider: TypeAlias = Callable[[], Awaitable[Credentials]]
"""Whatever can be awaited for credentials: every provider here, and any async function without arguments."""


class Caller(NamedTuple):
    """What is known of the client that credentials are for. Its profile counts as named."""

    region: str | None = None
    profile: str | None = None


NOBODY = Caller()


class _Call:
    """A call of a provider that remembers nothing, while it runs. Tasks that it starts may outlive it."""

    __slots__ = ("is_running", "provider")

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.is_running = True


# The calls that this one is a part of. (A cached provider finds its circles in ``_flight``.)
_calls: ContextVar[tuple[_Call, ...]] = ContextVar("anycreds_calls", default=())


# The flight that this code runs in: its event loop run, and what makes its clock stand still.
_flight: ContextVar[tuple[Hashable, Held] | None] = ContextVar("anycreds_flight_clock", default=None)


def forget_calls() -> None:
    """Forget, in this context, which calls are running."""
    _calls.set(())


def note_flight(run: Hashable, held: Held) -> None:
    """Note, in this context, that it is a flight's, whose clock stands still while a person is asked."""
    _flight.set((run, held))


class Provider:
    """Base of the built-in providers. ``await provider()`` asks once and remembers nothing."""

    __slots__ = ("__weakref__", "_world", "name")

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self._world = world

    async def __call__(self) -> Credentials:
        """Ask for credentials now.

        Raises a ``CredentialsError`` and nothing else.
        """
        return await self._call(Caller())

    def bound(self, caller: Caller) -> Provider:
        """Return this provider with what is known of the client that it serves."""
        return BoundProvider(self, caller)

    async def _call(self, caller: Caller) -> Credentials:
        calls = _calls.get()
        if any(call.provider is self and call.is_running for call in calls):
            names = " -> ".join(call.provider.name for call in calls if call.is_running)
            raise ReentrantProviderError(f"it awaits itself: {names} -> {self.name}", source=self.name)
        call = _Call(self)
        _calls.set((*calls, call))
        try:
            if self._budget() is not None:
                await self._world.prepare()
            async with self._world.session(self._held()) as io:
                return await self._fetch(io, caller)
        finally:
            call.is_running = False
            _calls.set(calls)

    def _held(self) -> Held | None:
        """Return the clock of the flight that a function of the program, which calls this, is a part of."""
        flight = _flight.get()
        # The clock of another run is not ours to touch: it may be in another thread.
        return flight[1] if flight is not None and flight[0] == self._world.run() else None

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        budget = self._budget()
        with nullcontext() if budget is None else io.deadline(budget, self.name):
            answer = await self._attempt(io, caller)
        return self._taken(answer, io.time())

    def _taken(self, answer: Credentials | CredentialsError, now: float) -> Credentials:
        """Return the set that an attempt gave; raise its error, or the one that the set has ended already."""
        if isinstance(answer, CredentialsError):
            raise answer
        end = answer.expiration
        if end is not None and end.timestamp() <= now:
            raise RetrievalError(_expired(end.isoformat(), now - end.timestamp()), source=self.name, hint=_CLOCK_HINT)
        return answer

    async def _attempt(self, io: Io, caller: Caller) -> Credentials | CredentialsError:
        raise TypeError(f"{type(self).__name__} does not say how it gets credentials")

    def _budget(self) -> float | None:
        """Return how many seconds a whole attempt may take; None: it waits for nothing."""
        return 60.0  # as long as a flight: for what has no shorter bound of its own

    def _may_extend(self, credentials: Credentials) -> bool:
        """Tell whether this set may be served past its end while its source is down (static stability)."""
        return False

    def _asks_person(self, caller: Caller = NOBODY) -> bool:
        """Tell whether an attempt for this caller may ask somebody, so that none is made ahead of need."""
        return False

    async def _where(self, io: Io, caller: Caller) -> list[str]:
        """Return where an attempt for this caller looks, as found on this machine: for people, without secrets."""
        return []

    def __repr__(self) -> str:
        return f"<anycreds provider: {self.name}>"


async def watched(provider: Provider, io: Io, caller: Caller) -> Credentials:
    """Ask a provider, and tell whoever watches that it is asked, and if it fails."""
    tell(AttemptStarted(provider.name))
    begun = io.monotonic()
    try:
        return await provider._fetch(io, caller)
    except CredentialsError as error:
        tell(AttemptFailed(provider.name, io.monotonic() - begun, error))
        raise


class BoundProvider(Provider):
    """A provider that knows its caller."""

    __slots__ = ("_caller", "_provider")

    def __init__(self, provider: Provider, caller: Caller) -> None:
        super().__init__(provider.name, provider._world)
        self._provider = provider
        self._caller = caller

    def bound(self, caller: Caller) -> Provider:
        """Return the provider with another caller instead."""
        return self._provider.bound(caller)

    async def __call__(self) -> Credentials:
        """Ask for credentials now, for the caller that this is bound to."""
        return await self._provider._call(self._caller)

    async def _fetch(self, io: Io, caller: Caller) -> Credentials:
        return await self._provider._fetch(io, self._caller)

    def _may_extend(self, credentials: Credentials) -> bool:
        return self._provider._may_extend(credentials)

    def _asks_person(self, caller: Caller = NOBODY) -> bool:
        return self._provider._asks_person(self._caller)


_CLOCK_HINT = "if the source is right, this machine's clock is wrong"


def _expired(end: str, seconds: float) -> str:
    return f"gave credentials that ended at {end}, {seconds:.0f} s ago by this machine's clock"
