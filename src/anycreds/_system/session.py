"""The real ``Io`` of one attempt, and the real ``World``."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import anyio

from .._errors import CredentialsError, ProviderTimeoutError
from . import forks, runs, warmup
from .clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Mapping
    from contextvars import Context
    from types import TracebackType
    from typing import Any

    from .._io import Clock, FileVersion, ProcessFailure, ProcessResult, Signature, Unreadable
    from .._wire.messages import NoAnswer, Request, Response
    from .http import HttpClients


T = TypeVar("T")


class Deadline:
    """A ``with`` that ends what runs in it after some seconds and then raises ``ProviderTimeoutError``."""

    __slots__ = ("_scope", "_seconds", "_waiting_for")

    def __init__(self, seconds: float, waiting_for: str) -> None:
        self._seconds = seconds
        self._waiting_for = waiting_for
        self._scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            swallow = bool(self._scope.__exit__(kind, error, traceback))
        except Exception:
            if not self._scope.cancelled_caught:
                raise  # else it came out of a nursery together with the cancellation, of which this is the reason
        else:
            if not self._scope.cancelled_caught:
                if isinstance(error, CredentialsError):  # out of this Io, which does not know for whom it works
                    error.source = error.source or self._waiting_for
                    error.__traceback__ = None  # its frames hold requests
                return swallow
        del error, traceback  # the cancellation and its frames, which hold requests; a traceback keeps this frame
        timeout = ProviderTimeoutError(f"gave no answer within {self._seconds:g} s", source=self._waiting_for)
        try:
            raise timeout
        finally:
            timeout.__context__ = None  # the cancellation again


class Session:
    """Opens nothing before it is asked, so that an attempt which needs no network costs none."""

    __slots__ = ("_environ", "_http", "jitter", "monotonic", "time")

    def __init__(self, clock: Clock, environ: Mapping[str, str] | None) -> None:
        self._environ = environ
        self.time = clock.time
        self.monotonic = clock.monotonic
        self.jitter = clock.jitter
        self._http: HttpClients | None = None

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
        return Deadline(seconds, waiting_for)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def exchange(self, request: Request) -> Response | NoAnswer:
        """Make one HTTP exchange."""
        if self._http is None:
            from .http import HttpClients

            self._http = HttpClients()
        return await self._http.exchange(request)

    async def read_file(self, path: str, limit: int) -> bytes | Unreadable:
        """Read a regular file."""
        from . import files  # it loads what threads need

        return await files.read_file(path, limit)

    def run_process(
        self, command: str, timeout: float, limit: int
    ) -> Coroutine[Any, Any, ProcessResult | ProcessFailure]:
        """Run a command. Not a coroutine itself, whose frame a traceback would keep, with the command in it."""
        from . import processes

        return processes.run_process(command, timeout, limit)

    async def read_changed(self, path: str, limit: int, known: Signature | None) -> FileVersion | Unreadable | None:
        """Read a regular file, unless it is still the version that is known."""
        from . import files

        return await files.read_changed(path, limit, known)

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a plain function in a thread."""
        from . import files

        return await files.work(function, *arguments)

    def home(self) -> str | None:
        """Return the user's home directory as the system knows it."""
        from . import files

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

    def session(self) -> Session:
        """Return an ``Io`` that opens nothing before it is asked."""
        return Session(self._clock, self._environ)

    async def prepare(self) -> None:
        """Load what waiting needs."""
        await warmup.prepare()

    def run(self) -> Hashable:
        """Return the identity of the current run."""
        return runs.current_run()

    def has_ended(self, run: Hashable) -> bool:
        """Tell whether a run is known to be over."""
        return runs.has_ended(run)

    def start(self, body: runs.Body, ended: Callable[[], None], name: str, context: Context) -> None:
        """Start a task of the current run."""
        runs.start(body, ended, name, context)

    def after_fork(self, reset: Callable[[], None]) -> None:
        """Call a bound method in every process that is forked off."""
        forks.after_fork(reset)
