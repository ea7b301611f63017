"""Blocking calls of providers: the calling thread waits while an event loop in another thread awaits the provider.

A process has one portal thread per async library. The first blocking call starts it, the end of the interpreter stops
it, and a forked process starts its own.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import ReentrantProviderError, RetrievalError
from ._portal_thread import Portal, PortalCall

T = TypeVar("T")

# How many event loops a call tries if each ends by itself: one SystemExit ends one; three in a row are a defect.
_MAX_LOOPS = 3


def get_blocking(provider: CachedProvider, backend: str) -> Credentials:
    """Return what ``await provider()`` returns, by an event loop in another thread. Raises ``CredentialsError``.

    Cached credentials that need no decision are returned without that thread. The steps below survive an exception at
    any line, because Ctrl-C and signal handlers raise at any line: the call is submitted at most once for each loop,
    and the ``finally`` clause of ``_wait_for`` cancels it unless it is done. A loop that ended by itself is replaced by
    the next one. A call on a loop that was stopped is not repeated, because the program or the interpreter is ending.
    """
    start, end, credentials, clock = provider._state.fast_path
    if start <= clock() < end:
        return credentials
    _PORTALS.check_not_own_thread(provider.name)
    for _ in range(_MAX_LOOPS):
        call = PortalCall(provider)
        portal = _wait_for(call, backend)
        if not call.loop_ended:
            return call.result()
        if portal.was_stopped:
            _PORTALS.block_if_exiting()
            raise RetrievalError("the event loop of the blocking portal was stopped", source=provider.name)
    raise RetrievalError(
        f"{_MAX_LOOPS} event loops of the blocking portal were ended by a SystemExit or KeyboardInterrupt of a source",
        source=provider.name,
        hint="look for a source that calls sys.exit()",
    )


class BlockingProvider:
    """A provider whose coroutines never suspend, because the calling thread waits instead."""

    __slots__ = ("_backend", "_provider", "invalidate")

    def __init__(self, provider: CachedProvider, backend: str) -> None:
        self._provider = provider
        self._backend = backend
        self.invalidate = provider.invalidate

    async def __call__(self) -> Credentials:
        return get_blocking(self._provider, self._backend)


def run_without_suspending(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never suspends, such as one that calls a ``BlockingProvider``."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError(f"{coroutine!r} suspended; expected a coroutine that does not wait")


def _wait_for(call: PortalCall, backend: str) -> Portal:
    portal = _PORTALS.running(backend, call.provider.name)
    try:
        while not portal.submit(call):
            portal = _PORTALS.running(backend, call.provider.name)  # the first one has just ended
        call.wait()
        return portal
    finally:
        if not call.done.is_set():
            portal.cancel(call)


class _Portals:
    """The portals of this process, by the name of their async library."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._portals: dict[str, Portal] = {}
        self._is_exiting = False
        atexit.register(self._exit)
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(after_in_child=self._reset_after_fork)

    def running(self, backend: str, name: str) -> Portal:
        """Return the open portal of a library. Raises ``RetrievalError`` if none can be started."""
        with self._lock:
            portal = self._portals.get(backend)
            if portal is not None and portal.is_open:
                return portal
            try:
                portal = self._portals[backend] = Portal(backend)
            except (OSError, RuntimeError) as error:  # no file descriptors, no threads, or the interpreter is ending
                message = f"the thread of the blocking portal cannot be started: {error}"
                raise RetrievalError(message, source=name) from None
            return portal

    def check_not_own_thread(self, name: str) -> None:
        """Raise ``ReentrantProviderError`` if a portal runs on this thread, because waiting here would never end."""
        ident = threading.get_ident()  # ``current_thread()`` would create an object for each foreign thread
        if any(portal.thread.ident == ident and portal.thread.is_alive() for portal in tuple(self._portals.values())):
            raise ReentrantProviderError(
                "blocking call on the thread of the event loop that it waits for",
                source=name,
                hint="await the provider there, or call in a worker thread: anyio.to_thread.run_sync(...)",
            )

    def stop(self) -> None:
        """Stop all portals. The next blocking call starts a new one."""
        with self._lock:
            portals = list(self._portals.values())
        for portal in portals:
            portal.stop()

    def block_if_exiting(self) -> None:
        """Block for ever if the interpreter is ending: an error in a daemon thread would only be printed then."""
        while self._is_exiting:
            time.sleep(1)  # the interpreter does not wait for daemon threads

    def _exit(self) -> None:
        self._is_exiting = True
        self.stop()

    def _reset_after_fork(self) -> None:
        """Drop the portals of the parent process, whose threads do not exist here."""
        for portal in self._portals.values():
            portal.close()
        self._lock = threading.RLock()
        self._portals = {}
        self._is_exiting = False


_PORTALS = _Portals()
stop_all = _PORTALS.stop
