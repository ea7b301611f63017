"""The real ``Io`` of one attempt, and the real ``World``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import anyio

from . import event_loop, fork, preload
from .clock import SystemClock
from .deadlines import Deadline
from .pausing import AttemptTime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
    from contextvars import Context
    from typing import Any

    from .._core.http import NoAnswer, Request, Response
    from .._core.io import (
        Clock,
        FileVersion,
        PrivateFile,
        ProcessFailure,
        ProcessResult,
        Unreadable,
        Unwritable,
        Wanted,
    )
    from .deadlines import Held
    from .files.lock import FileLock
    from .files.snapshot import OneLook
    from .http import HttpClients

T = TypeVar("T")
_HTTP = "anycreds._system.http"


class Session:
    """Opens nothing before it is asked, so that an attempt which needs no network costs none."""

    __slots__ = ("_environ", "_held", "_http", "_looks", "_time", "jitter", "monotonic", "time")

    def __init__(self, clock: Clock, environ: Mapping[str, str] | None, held: Held | None = None) -> None:
        self._environ = environ
        self._held = held
        self._time = AttemptTime(clock.monotonic)
        self.time = clock.time
        self.monotonic = self._time.monotonic
        self.jitter = clock.jitter
        self._http: HttpClients | None = None
        self._looks: OneLook | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> Literal[False]:
        if self._http is not None:
            with suppress(Exception):  # the answer is there already, and a failing farewell changes nothing
                await self._http.close()
        return False

    def environ(self) -> Mapping[str, str]:
        """Return the process's environment, or what stands in for it."""
        return os.environ if self._environ is None else self._environ

    def deadline(self, seconds: float, waiting_for: str) -> Deadline:
        """Return a deadline around what runs in its ``with``."""
        return Deadline(seconds, waiting_for, self._time)

    def asking(self, seconds: float, waiting_for: str) -> Deadline:
        """Return a deadline for asking a person, in which the clock of the flight around it stands still."""
        return Deadline(seconds, waiting_for, self._time, self._held)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def exchange(self, request: Request) -> Response | NoAnswer:
        """Make one HTTP exchange."""
        if self._http is None:
            if _HTTP not in sys.modules:  # loading it takes milliseconds, so the event loop runs on meanwhile
                await self.work(import_module, _HTTP)
            from .http import HttpClients

            self._http = self._http or HttpClients(self._time)
        return await self._http.exchange(request)

    async def read_file(self, path: str, limit: int) -> bytes | Unreadable:
        """Read a regular file."""
        from .files import read as files  # it loads what threads need

        return await files.read_file(path, limit)

    async def read_private(self, path: str, limit: int) -> PrivateFile | Unreadable:
        """Read a regular file that nobody else owns."""
        from .files import read as files

        return await files.read_private(path, limit)

    def run_process(
        self, command: str, timeout: float, limit: int
    ) -> Coroutine[Any, Any, ProcessResult | ProcessFailure]:
        """Run a command. Not a coroutine itself, whose frame a traceback would keep, with the command in it."""
        from . import process

        return process.run_process(command, timeout, limit)

    async def read_changed(self, wanted: Sequence[Wanted], limit: int) -> list[FileVersion | Unreadable | None]:
        """Read regular files, unless they are still the versions that are known. It looks at each file once."""
        if self._looks is None:
            from .files.snapshot import OneLook

            self._looks = OneLook()
        return await self._looks.read_changed(wanted, limit)

    def write_private(self, path: str, content: bytes) -> Coroutine[Any, Any, Unwritable | None]:
        """Replace a file in one step. Not a coroutine itself, whose frame a traceback would keep, with the content."""
        from .files import atomic_write

        return atomic_write.write_private(path, content)

    def locked(self, path: str, seconds: float) -> FileLock:
        """Return a lock on a path, of which there is one at a time."""
        from .files.lock import FileLock

        return FileLock(path, seconds, self.jitter)

    def finished(self, work: Awaitable[T], seconds: float) -> Coroutine[Any, Any, T]:
        """Let something come to its end."""
        from .shielding import finished

        return finished(work, seconds)

    def unique(self) -> str:
        """Return a new random UUID (RFC 9562, version 4). Importing ``uuid`` would hold the event loop for 6 ms."""
        number = bytearray(os.urandom(16))
        number[6] = 0x40 | number[6] & 0x0F  # the version
        number[8] = 0x80 | number[8] & 0x3F  # the variant
        text = number.hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a plain function in a thread."""
        from .files import read as files

        return await files.work(function, *arguments)

    def home(self) -> str | None:
        """Return the user's home directory as the system knows it."""
        from .files import read as files

        return files.home()


class SystemWorld:
    """The world as it is, with another clock or other environment variables if such are given."""

    __slots__ = ("_clock", "_environ", "jitter", "monotonic", "time")

    def __init__(self, clock: Clock | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ
        self._clock: Clock = SystemClock() if clock is None else clock
        self.time: Callable[[], float] = self._clock.time
        self.monotonic: Callable[[], float] = self._clock.monotonic
        self.jitter: Callable[[], float] = self._clock.jitter

    def session(self, held: Held | None = None) -> Session:
        """Return an ``Io`` that opens nothing before it is asked."""
        return Session(self._clock, self._environ, held)

    def prepare(self) -> Coroutine[Any, Any, None]:
        """Load what waiting needs."""
        return preload.prepare()

    def run(self) -> Hashable:
        """Return the identity of the current run."""
        return event_loop.current_run()

    def has_ended(self, run: Hashable) -> bool:
        """Tell whether a run is known to be over."""
        return event_loop.has_ended(run)

    def start(self, body: event_loop.Body, ended: Callable[[], None], name: str, context: Context) -> None:
        """Start a task of the current run."""
        event_loop.start(body, ended, name, context)

    def after_fork(self, reset: Callable[[], None]) -> None:
        """Call a bound method in every process that is forked off."""
        fork.after_fork(reset)
