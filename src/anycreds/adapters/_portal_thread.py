"""One event loop in a thread of its own, and the calls that other threads wait for."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial

import anyio
from anyio.abc import TaskGroup

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.logs import log

# Where a wait without end cannot be interrupted (Windows), Ctrl-C is noticed at least this often. In seconds.
_LONGEST_WAIT = 1.0
# What the end of a loop may take, in seconds: a flight that is ended takes two at most to close its sockets.
_GRACE = 5.0


class Call:
    """What one thread waits for."""

    __slots__ = ("answer", "context", "error", "has_ended", "provider", "scope")

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider
        self.context = copy_context()
        self.has_ended = threading.Event()
        self.answer: Credentials | None = None
        self.error: BaseException | None = None
        self.scope: anyio.CancelScope | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it ended without an answer and without an error: its loop is over."""
        return self.answer is None and self.error is None

    def result(self) -> Credentials:
        """Return the answer, or raise the error that came instead."""
        if self.answer is not None:
            return self.answer
        error, self.error = self.error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # or it and its traceback would keep each other alive


class Portal:
    """One event loop and its thread."""

    def __init__(self, backend: str) -> None:
        self.is_open = True
        self.was_told_to_end = False
        self._backend = backend
        # Entered again if a signal or a finalizer interrupts the few lines that hold it, and wants credentials, too.
        self._lock = threading.RLock()
        self._jobs: deque[Callable[[TaskGroup], None]] = deque()
        self._calls: set[Call] = set()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        # In a context of its own: Pythons without a GIL hand down that of who happens to start it.
        self.thread = threading.Thread(
            target=Context().run, args=(self._live,), name=f"anycreds portal ({backend})", daemon=True
        )
        try:
            self.thread.start()
        except RuntimeError:
            self.close()
            raise

    def enter(self, call: Call) -> bool:
        """Take a call over. Return whether that was still possible."""
        with self._lock:
            if self.is_open:
                self._calls.add(call)
                self._do(partial(self._begin, call))
            return self.is_open

    def wait_for(self, call: Call) -> None:
        """Wait for the end of a call."""
        while not call.has_ended.wait(_LONGEST_WAIT):
            pass

    def leave(self, call: Call) -> None:
        """Stop looking for an answer: who waited was interrupted."""
        self._do(partial(self._leave, call))

    def end(self) -> None:
        """End the loop with all that runs on it, and wait for that."""
        with self._lock:
            if self.is_open:
                self.is_open, self.was_told_to_end = False, True
                self._do(lambda tasks: tasks.cancel_scope.cancel())
        if self.thread is not threading.current_thread():
            self.thread.join(_GRACE)

    def close(self) -> None:
        """Close the sockets."""
        self._bell.close()
        self._ear.close()

    def _do(self, job: Callable[[TaskGroup], None]) -> None:
        self._jobs.append(job)
        with suppress(OSError):  # it is full of rings that nobody has listened to yet, or the loop is over
            self._bell.send(b"\0")

    def _live(self) -> None:
        try:
            anyio.run(self._serve, backend=self._backend)
        except BaseException as error:  # noqa: BLE001 - a wish to leave the program has nobody to go to in this thread
            log("adapters", "error", "the event loop for code that cannot await was ended by %s", type(error).__name__)
        with self._lock:
            self.is_open = False
            self.close()
            for call in self._calls:
                call.has_ended.set()
            self._calls.clear()

    async def _serve(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.wait_readable(self._ear)
                self._ear.recv(4096)  # any number of rings: all jobs are done below
                while self._jobs:
                    self._jobs.popleft()(tasks)

    def _begin(self, call: Call, tasks: TaskGroup) -> None:
        call.scope = anyio.CancelScope()
        context = copy_context()  # what is set here is the loop's own, such as which library runs it
        for variable, value in call.context.items():
            if variable not in context:
                context.run(variable.set, value)
        context.run(tasks.start_soon, self._carry_out, call, call.scope)

    def _leave(self, call: Call, tasks: TaskGroup) -> None:
        if call.scope is None:  # interrupted before it was begun
            self._calls.discard(call)
        else:
            call.scope.cancel()

    async def _carry_out(self, call: Call, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                call.answer = await call.provider()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - who waits gets it, whatever it is
            call.error = error
        finally:
            self._calls.discard(call)  # without the lock: who waits may have interrupted somebody who holds it
            call.has_ended.set()
