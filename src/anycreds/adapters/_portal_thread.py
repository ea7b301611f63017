"""A daemon thread that runs one event loop and the calls that other threads submit to it."""

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

# On Windows a wait without a timeout cannot be interrupted, so Ctrl-C is noticed at least this often. In seconds.
_MAX_WAIT = 1.0
# How long stopping may take, in seconds: a cancelled refresh needs at most two to close its sockets.
_STOP_TIMEOUT = 5.0


class PortalCall:
    """A call of a provider that one thread waits for."""

    __slots__ = ("context", "credentials", "done", "error", "provider", "scope")

    def __init__(self, provider: CachedProvider) -> None:
        self.provider = provider
        self.context = copy_context()
        self.done = threading.Event()
        self.credentials: Credentials | None = None
        self.error: BaseException | None = None
        self.scope: anyio.CancelScope | None = None

    @property
    def loop_ended(self) -> bool:
        """Whether the event loop ended before the call had a result."""
        return self.credentials is None and self.error is None

    def wait(self) -> None:
        """Block this thread until the call is done."""
        while not self.done.wait(_MAX_WAIT):
            pass

    def result(self) -> Credentials:
        """Return the credentials, or raise the provider's error."""
        if self.credentials is not None:
            return self.credentials
        error, self.error = self.error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # else the error and the traceback of this frame would form a reference cycle


class Portal:
    """One event loop on its own daemon thread.

    Other threads append jobs to a deque and write one byte to a socket pair, which wakes the loop (the wakeup socket
    pair of trio and asyncio). Both work before the loop runs, from a signal handler, and from a finalizer: neither
    waits for anything. A call is in ``_calls`` from ``submit`` until it is done. When the loop ends, for whatever
    reason, every call that is left is marked as done without a result, so that no thread waits for ever.

    ``anyio.from_thread.BlockingPortal`` lacks three of these properties. A thread that submits while a ``SystemExit``
    ends asyncio's loop waits for ever (5 of 53 tries). A signal handler that needs the portal while it starts deadlocks
    on a lock. Stopping waits without a limit for a source that shields itself from cancellation.
    """

    def __init__(self, backend: str) -> None:
        self.is_open = True
        self.was_stopped = False
        self._backend = backend
        # Re-entrant: a signal handler or finalizer that interrupts the locked lines may need credentials, too.
        self._lock = threading.RLock()
        self._jobs: deque[Callable[[TaskGroup], None]] = deque()
        self._calls: set[PortalCall] = set()
        self._wakeup_send, self._wakeup_receive = socket.socketpair()
        self._wakeup_send.setblocking(False)
        self._wakeup_receive.setblocking(False)
        # A new context: Pythons without a GIL give a thread the context of the code that starts it.
        self.thread = threading.Thread(
            target=Context().run, args=(self._run,), name=f"anycreds portal ({backend})", daemon=True
        )
        try:
            self.thread.start()
        except RuntimeError:
            self.close()
            raise

    def submit(self, call: PortalCall) -> bool:
        """Schedule a call on the loop; return False if the loop has ended."""
        with self._lock:
            if self.is_open:
                self._calls.add(call)
                self._submit(partial(self._start, call))
            return self.is_open

    def cancel(self, call: PortalCall) -> None:
        """Cancel a call whose thread has stopped waiting."""
        self._submit(partial(self._cancel, call))

    def stop(self) -> None:
        """Cancel everything on the loop and wait until its thread has ended, for five seconds at most."""
        with self._lock:
            if self.is_open:
                self.is_open, self.was_stopped = False, True
                self._submit(lambda tasks: tasks.cancel_scope.cancel())
        if self.thread is not threading.current_thread():
            self.thread.join(_STOP_TIMEOUT)

    def close(self) -> None:
        """Close the wakeup socket pair."""
        self._wakeup_send.close()
        self._wakeup_receive.close()

    def _submit(self, job: Callable[[TaskGroup], None]) -> None:
        self._jobs.append(job)
        with suppress(OSError):  # the buffer is full, so the loop is about to wake up, or the loop has ended
            self._wakeup_send.send(b"\0")

    def _run(self) -> None:
        try:
            anyio.run(self._serve, backend=self._backend)
        except BaseException as error:  # noqa: BLE001 - a SystemExit of a background refresh has no other thread to go to
            log("adapters", "error", "%s ended the event loop of the blocking portal", type(error).__name__)
        with self._lock:
            self.is_open = False
            self.close()
            for call in self._calls:
                call.done.set()
            self._calls.clear()

    async def _serve(self) -> None:
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.wait_readable(self._wakeup_receive)
                self._wakeup_receive.recv(4096)  # any number of wakeups: the loop below runs all jobs
                while self._jobs:
                    self._jobs.popleft()(tasks)

    def _start(self, call: PortalCall, tasks: TaskGroup) -> None:
        call.scope = anyio.CancelScope()
        context = copy_context()  # variables that are set here belong to the loop, such as the name of its library
        for variable, value in call.context.items():
            if variable not in context:
                context.run(variable.set, value)
        context.run(tasks.start_soon, self._run_call, call, call.scope)

    def _cancel(self, call: PortalCall, tasks: TaskGroup) -> None:
        if call.scope is None:  # the thread was interrupted before the call started
            self._calls.discard(call)
        else:
            call.scope.cancel()

    async def _run_call(self, call: PortalCall, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                call.credentials = await call.provider()
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - raised in the thread that waits
            call.error = error
        finally:
            self._calls.discard(call)  # without the lock: the interrupted thread may hold it
            call.done.set()
