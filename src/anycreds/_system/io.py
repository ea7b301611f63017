"""The real ``Io`` of one attempt."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Self, TypeVar

try:
    import pwd
except ImportError:  # on Windows
    pwd = None  # type: ignore[assignment]

from .._core.attempts import ATTEMPT_TIMEOUT
from . import event_loop, preload, threads
from .deadlines import Attempt, Deadline, pause_attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from .._core import io as core
    from .._core.http import Request, Response, TransportFailure
    from .files.lazy_lock import LazyFileLock
    from .files.snapshot import FileSnapshot
    from .http import HttpClients
    from .local import LocalMachine

T = TypeVar("T")
_UNLIMITED = nullcontext()
_LOCAL, _PROCESS = "anycreds._system.local", "anycreds._system.process"
_SNAPSHOT = "anycreds._system.files.snapshot"
_HTTP = "anycreds._system.http"
_PLAIN_HTTP = "anycreds._system.http.plain"
_SERVICES = "anycreds._system.http.services"  # it imports the other one


def read_at_once(wanted: Sequence[core.FileQuery]) -> list[core.FileVersion | core.ReadFailure | None] | None:
    """Return the versions of small files; see ``ImmediateIo``."""
    if not event_loop.is_imported(_SNAPSHOT):
        return None  # a thread has to import it first
    from .files import snapshot

    return snapshot.read_at_once(wanted)


class SystemIo:
    """The real ``Io`` of one attempt. It opens nothing before it is needed."""

    __slots__ = (
        "__weakref__",
        "_attempt",
        "_call_limit",
        "_clock",
        "_environ",
        "_http",
        "_snapshot",
        "jitter",
        "monotonic",
        "prompts_user",
        "time",
        "unwanted",
        "waiting_for",
    )

    deadline = Deadline
    run_in_thread = staticmethod(threads.run_in_thread)

    def __init__(
        self,
        clock: core.Clock,
        environ: Mapping[str, str] | None,
        attempt: Attempt | None,
        call_limit: core.CallLimit | None = None,
    ) -> None:
        self.waiting_for = ""
        self._clock = clock
        self._environ = environ
        self._attempt = attempt
        self._call_limit = call_limit
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.jitter = clock.jitter
        self.prompts_user = False
        self.unwanted: Collection[int] = ()
        self._http: HttpClients | None = None
        self._snapshot: FileSnapshot | None = None

    async def __aenter__(self) -> Self:
        if self._attempt is not None:
            self._attempt.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            if self._http is not None:
                with suppress(Exception):  # the result is available already; ignore errors while closing
                    await self._http.close()
        except BaseException as interrupt:
            if not self._end(type(interrupt), interrupt, interrupt.__traceback__):
                raise
            return True  # it was the cancellation of this attempt
        else:
            return self._end(kind, error, traceback)
        finally:
            del error, traceback  # a timeout that the attempt raises keeps this frame

    def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            if self._attempt is None:
                return False
            self._attempt.waiting_for = self.waiting_for or self._attempt.waiting_for
            return self._attempt.__exit__(kind, error, traceback)
        finally:
            del error, traceback

    def cancel(self) -> None:
        """Cancel the attempt; see ``OpenAttempt``."""
        if self._attempt is not None:
            self._attempt.cancel()

    def environ(self) -> Mapping[str, str]:
        """Return the process's environment, or its replacement."""
        return os.environ if self._environ is None else self._environ

    @contextmanager
    def user_prompt(self, seconds: float, waiting_for: str) -> Iterator[None]:
        """Return a ``with`` for prompting the user; see ``Io``."""
        with pause_attempt(), Deadline(seconds, waiting_for):
            yield

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        import anyio

        await anyio.sleep(seconds)

    async def preload_http(self, *, plain: bool) -> None:
        """Import what HTTP exchanges need; see ``Io``."""
        await self._clients(_PLAIN_HTTP if plain else _SERVICES)

    def service_call(self) -> AbstractAsyncContextManager[None]:
        """Return an ``async with`` around one call of a service; see ``Io``."""
        return _UNLIMITED if self._call_limit is None else self._call_limit(self.waiting_for)

    async def send(self, request: Request) -> Response | TransportFailure:
        """Make one HTTP exchange; see ``Io``."""
        clients = await self._clients(_PLAIN_HTTP if request.is_plain else _SERVICES)
        return await clients.send(request)

    async def _clients(self, module: str) -> HttpClients:
        """Return the connections of this attempt, when the module that makes them is imported."""
        loading_time = 0.0
        if not event_loop.is_imported(module):
            import anyio

            started = anyio.current_time()
            await preload.preload((module,))
            loading_time = anyio.current_time() - started
        if self._http is None:
            self._http = sys.modules[_HTTP].HttpClients()  # an ``import`` takes 1 µs
        self._http.loading_time += loading_time
        return self._http

    async def read_file(self, path: str, limit: int) -> bytes | core.ReadFailure:
        """Read a regular file; see ``Io``."""
        return await (await _local()).read_file(path, limit)

    async def read_private(
        self, path: str, limit: int, *, follow_link: bool = True
    ) -> core.PrivateFile | core.ReadFailure:
        """Read a regular file that belongs to this user; see ``Io``."""
        return await (await _local()).read_private(path, limit, follow_link=follow_link)

    def read_at_once(self, wanted: Sequence[core.FileQuery]) -> list[core.FileVersion | core.ReadFailure | None] | None:
        """Return what ``read_if_changed`` does, if no thread is needed; see ``ImmediateIo``."""
        if self._snapshot is None and not event_loop.is_imported(_SNAPSHOT):
            return None
        return self._file_snapshot().read_at_once(wanted)

    async def read_if_changed(
        self, wanted: Sequence[core.FileQuery], limit: int
    ) -> list[core.FileVersion | core.ReadFailure | None]:
        """Read regular files that have changed, each once in an attempt; see ``Io``."""
        if self._snapshot is None and not event_loop.is_imported(_SNAPSHOT):
            await preload.preload((_SNAPSHOT,))
        return await self._file_snapshot().read_if_changed(wanted, limit)

    def _file_snapshot(self) -> FileSnapshot:
        if self._snapshot is None:
            self._snapshot = sys.modules[_SNAPSHOT].FileSnapshot()
        return self._snapshot

    async def write_private(
        self, path: str, content: bytes, replaces: core.Signature | None = None, *, follow_link: bool = True
    ) -> core.WriteFailure | None:
        """Replace a file atomically; see ``Io``."""
        return await (await _local()).write_private(path, content, replaces, follow_link=follow_link)

    async def run_process(self, command: str, timeout: float, limit: int) -> core.ProcessResult | core.ProcessFailure:  # noqa: ASYNC109
        """Run a command; see ``Io``."""
        await preload.preload((_PROCESS,))
        from .process import run_process

        return await run_process(command, timeout, limit)

    def file_lock(self, path: str, seconds: float) -> LazyFileLock:
        """Return an ``async with`` that locks a path; see ``Io``."""
        from .files.lazy_lock import LazyFileLock

        return LazyFileLock(path, seconds, self.jitter)

    async def run_detached(self, work: Callable[[core.Io], Awaitable[T]]) -> T:
        """Finish work whatever becomes of the caller; see ``Io``."""

        async def attempt() -> T:
            deadline = Attempt(ATTEMPT_TIMEOUT, self.waiting_for)
            # Without the limit of calls: what must not be stopped waits for no others.
            async with type(self)(self._clock, self._environ, deadline) as io:
                return await work(io)

        return await (await _local()).run_detached(attempt)

    def new_uuid(self) -> str:
        """Return a new random UUID (RFC 9562, version 4). Importing ``uuid`` would block the event loop for 6 ms."""
        text = os.urandom(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) % 4]}{text[17:20]}-{text[20:]}"

    def home_directory(self) -> str | None:
        """Return the home directory in the system's user database; None if there is none."""
        try:
            return pwd.getpwuid(os.getuid()).pw_dir
        except (AttributeError, KeyError):  # on Windows; a container may run as a user id that is not in the database
            return None


async def _local() -> type[LocalMachine]:
    """Return the functions for this machine, imported in a thread."""
    if not event_loop.is_imported(_LOCAL):
        await preload.preload((_LOCAL,))
    from .local import LocalMachine

    return LocalMachine
