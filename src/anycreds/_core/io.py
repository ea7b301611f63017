"""The protocols through which everything else reaches the outside world.

A provider uses an ``Io``, a cache uses a ``Runtime``. The real ones are in ``_system``. Tests script their own and run
a provider with ``coro.send(None)``: without an event loop, a network or a clock.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import Context
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from .attempts import ATTEMPT_TIMEOUT

if TYPE_CHECKING:
    from .http import Request, Response, TransportFailure

T = TypeVar("T")
TaskBody: TypeAlias = Callable[[], Awaitable[BaseException | None]]


class ReadFailure(NamedTuple):
    """Why a file could not be read, in words for an error message. It contains nothing of the file."""

    detail: str
    is_missing: bool = False
    """Whether the file does not exist."""


class WriteFailure(NamedTuple):
    """Why a file could not be written or locked, in words for an error message."""

    detail: str
    is_busy: bool = False
    """Whether another process or task holds the lock."""
    is_changed: bool = False
    """Whether the file is no longer the version that was to be replaced."""


Signature: TypeAlias = tuple[int, ...]
"""Identifies a version of a file: its device, inode, size and times."""
FileQuery: TypeAlias = tuple[str, Signature | None]
"""The path of a file, and the signature of the version that the caller knows; None if it knows none."""


class FileVersion(NamedTuple):
    """A file's content, and the signature of this version."""

    content: bytes
    signature: Signature

    def __repr__(self) -> str:
        return f"FileVersion({len(self.content)} bytes)"


class PrivateFile(NamedTuple):
    """The content of a file that only its owner should be able to read."""

    content: bytes
    is_accessible_to_others: bool
    """Whether its permissions let other users read or write it."""
    signature: Signature
    modified_at: float = 0.0
    """When its content was written, by the clock of its disk, in seconds since 1970."""

    def __repr__(self) -> str:
        return f"PrivateFile({len(self.content)} bytes)"


class ProcessResult(NamedTuple):
    """How a command exited, and its output, which may be secret and is not in the repr."""

    status: int | None
    """The exit code; None if a signal killed the command."""
    signal: str | None
    """The signal that killed it, such as ``SIGKILL``, also if the shell reports it by its exit code."""
    stdout: bytes
    stderr: bytes
    """The end of stderr, at most 4 KiB."""

    def __repr__(self) -> str:
        return f"ProcessResult({self.status}, {self.signal}, {len(self.stdout)} and {len(self.stderr)} bytes)"


class ProcessFailure(NamedTuple):
    """Why a command gave no result."""

    kind: Literal["not started", "timeout", "too large"]
    detail: str
    """Words for an error message; they contain nothing of the command line or the output."""


CallLimit: TypeAlias = Callable[[str], AbstractAsyncContextManager[None]]
"""Returns an ``async with`` around one call of a service, for the provider of that name. Entering it may wait."""


class Clock(Protocol):
    """Time and randomness. Never the event loop's own clock: its origin differs from run to run."""

    def time(self) -> float:
        """Return the wall clock, in seconds since 1970 (UTC). It may be set forward and back."""

    def monotonic(self) -> float:
        """Return seconds that never decrease. They may stand still while the machine is suspended."""

    def jitter(self) -> float:
        """Return a random number, at least 0 and below 1."""


class ImmediateIo(Clock, Protocol):
    """What can be asked without waiting."""

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables as they are now."""

    def read_at_once(self, wanted: Sequence[FileQuery]) -> list[FileVersion | ReadFailure | None] | None:
        """Return what ``read_if_changed`` returns for small files; None if that may wait."""


class Io(ImmediateIo, Protocol):
    """The outside world for one attempt to get credentials. What it opens is closed when the attempt ends."""

    waiting_for: str
    """The provider that is called at the moment, which the error names if the deadline of the attempt passes."""
    prompts_user: bool
    """Whether a provider that was called in this attempt may prompt the user. Such a provider sets it."""
    unwanted: Collection[int]
    """The fingerprints of credentials that the attempt is to replace: a cache has them, or has dropped them."""

    def deadline(self, seconds: float, waiting_for: str) -> AbstractContextManager[None]:
        """Return a ``with`` that cancels its body after that time and raises ``ProviderTimeoutError``.

        For a step that the attempt can do without. Everything else has the deadline of the attempt.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def preload_http(self, *, plain: bool) -> None:
        """Import what HTTP exchanges need, in a thread; with ``plain``, only what requests need that are ``is_plain``.

        Call it before measuring exchanges: without ``plain`` it takes 100 ms.
        """

    def service_call(self) -> AbstractAsyncContextManager[None]:
        """Return an ``async with`` around one call of a service with its retries, or around one command.

        Where the number of calls in progress is limited, entering it waits, and the attempt is paused meanwhile. So
        nothing in it may wait for another provider.
        """

    async def send(self, request: Request) -> Response | TransportFailure:
        """Make one HTTP exchange, without redirects, within its timeout and limit. No response raises an error."""

    async def read_file(self, path: str, limit: int) -> bytes | ReadFailure:
        """Return the content of a regular file of at most ``limit`` bytes."""

    async def read_private(self, path: str, limit: int, *, follow_link: bool = True) -> PrivateFile | ReadFailure:
        """Return the content of a regular file like ``read_file``, unless it belongs to another user.

        Without ``follow_link``, neither a symbolic link is read, nor a file that every user may replace.
        """

    async def read_if_changed(self, wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        """Return the content of each file like ``read_file``; None if it is still the version that is known."""

    async def write_private(
        self, path: str, content: bytes, replaces: Signature | None = None, *, follow_link: bool = True
    ) -> WriteFailure | None:
        """Replace a file atomically, readable by its owner only; return why that failed, or None.

        Missing directories are created, private too. If ``replaces`` is given, only that version is replaced. Without
        ``follow_link``, a symbolic link is replaced itself, not the file that it leads to.
        """

    def file_lock(self, path: str, seconds: float) -> AbstractAsyncContextManager[WriteFailure | None]:
        """Return an ``async with`` in which no other process, task or thread has locked the same path.

        The lock is a file beside it with the suffix ``.lock``, and ends with the process. It is waited for at most
        that many seconds. The value is None, or why the path is not locked; the body runs in both cases.
        """

    async def run_process(self, command: str, timeout: float, limit: int) -> ProcessResult | ProcessFailure:  # noqa: ASYNC109
        """Run a command in the system's shell, with the environment of this program and an empty standard input.

        After ``timeout`` seconds, more than ``limit`` bytes on stdout or a cancellation, it is ended together with the
        processes that it has started.
        """

    def user_prompt(self, seconds: float, waiting_for: str) -> AbstractContextManager[None]:
        """Return a ``with`` for prompting the user, with a deadline of its own.

        The deadlines of the attempt and of the attempts that wait for it are paused meanwhile.
        """

    async def run_detached(self, work: Callable[[Io], Awaitable[T]]) -> T:
        """Return what ``work`` returns, which runs in another event loop, with an ``Io`` of its own.

        A cancelled caller leaves at once. Neither that nor the end of the caller's event loop stops ``work``, and a
        process that ends waits 1.5 s for it.
        """

    def new_uuid(self) -> str:
        """Return a new random UUID (version 4), as text."""

    async def run_in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a plain function that computes for long in a thread, so that the event loop continues."""

    def home_directory(self) -> str | None:
        """Return this user's home directory from the system's user database; None if there is none."""


class OpenAttempt(AbstractAsyncContextManager[Io], Protocol):
    """An ``async with`` around one attempt."""

    def cancel(self) -> None:
        """Cancel the body, now or when it begins. The ``async with`` then ends without an error."""


class Runtime(ImmediateIo, Protocol):
    """The outside world beyond one attempt."""

    def open_io(self, name: str, timeout: float | None = ATTEMPT_TIMEOUT) -> OpenAttempt:
        """Return an ``async with`` around one attempt. It opens nothing before it is needed, and leaves nothing open.

        Args:
            name: The provider, for error messages.
            timeout: Seconds until the attempt is cancelled and ``ProviderTimeoutError`` is raised. None if the attempt
                waits for nothing: then ``preload`` need not have been called.

        """

    def pause_attempt(self) -> AbstractContextManager[None]:
        """Return a ``with`` that pauses the deadline of the attempt that this code is a part of.

        For waiting for work with a deadline of its own. Without an attempt, or in another event loop, it does nothing.
        """

    async def preload(self, modules: tuple[str, ...] = ()) -> bool:
        """Import what waiting needs, in a thread, or only these modules. Call it before the first wait.

        Return whether it has waited for that, so that other tasks may have run.
        """

    def current_loop(self) -> Hashable:
        """Return the identity of the event loop run that this code is in."""

    def is_loop_closed(self, loop: Hashable) -> bool:
        """Return whether an event loop run is known to be over, so that none of its tasks will run again."""

    def call_soon(self, loop: Hashable, function: Callable[[], object]) -> bool:
        """Call a plain function in the thread of an event loop run, soon. Any thread may call this.

        Return False if the run is over, or stopped so that it may never continue.
        """

    def call_later(self, seconds: float, function: Callable[[], object]) -> Callable[[], object]:
        """Call a plain function in the current event loop run after that time. Return what cancels this."""

    def spawn_system_task(
        self,
        body: Callable[[], Awaitable[BaseException | None]],
        on_end: Callable[[], None],
        name: str,
        context: Context,
    ) -> None:
        """Start a task that belongs to the current event loop run, and to none of its tasks.

        Args:
            body: An async function. A ``KeyboardInterrupt`` or ``SystemExit`` that it returns is passed to the run, in
                the way of its backend.
            on_end: Called when the task is over, even if it was cancelled before its first step.
            name: The name of the task.
            context: The context variables of the task, except those of the current attempt.

        """

    def with_clock(self, clock: Clock) -> Runtime:
        """Return an equal runtime that reads this clock."""

    def with_call_limit(self, limit: CallLimit) -> Runtime:
        """Return an equal runtime with this limit of calls, in place of the one that it may have."""

    def after_fork(self, owner: T, reset: Callable[[T], None]) -> None:
        """Call ``reset(owner)`` in every forked child process, for as long as the owner lives."""
