"""An event loop in a thread of its own, for code that cannot await: it waits here, in whichever thread, for an answer.

There is one of each kind in a process: started when first needed, ended with the interpreter, forgotten by a forked
process. It is never waited for on its own thread.
"""

from __future__ import annotations

import atexit
import os
import threading
import time

from .._cache.provider import CachedProvider
from .._core.credentials import Credentials
from .._core.errors import ReentrantProviderError, RetrievalError
from ._portal_thread import Call, Portal

# A loop that ends by itself is replaced for those who wait for it, so many times.
_TRIES = 3


def obtain(provider: CachedProvider, backend: str) -> Credentials:
    """Return what ``await provider()`` gives, on an event loop that is not this thread's.

    While there is nothing to decide, this is a plain read of what is cached.

    Raises what the provider raises; ``ReentrantProviderError`` if it would have to wait on the loop's own thread.
    """
    start, end, credentials, clock = provider._memory.published
    if start <= clock() < end:
        return credentials
    _PORTALS.refuse_own_thread(provider.name)
    problem = "an exit of some source has ended the event loop that asked"
    for _ in range(_TRIES):
        call = Call(provider)
        portal: Portal | None = None
        try:
            portal = _PORTALS.running(backend)
            while not portal.enter(call):
                portal = _PORTALS.running(backend)  # that one has just ended, so now there is another
            portal.wait_for(call)
        except (OSError, RuntimeError) as error:  # no file descriptors, no threads, or the interpreter is ending
            problem = f"the thread that asks for credentials cannot be started: {error}"
            break
        finally:
            if portal is not None and not call.has_ended.is_set():
                portal.leave(call)  # Ctrl-C, or whatever a signal handler raises, may have come at any point above
        if not call.is_lost:
            return call.result()
        assert portal is not None
        if portal.was_told_to_end:
            _PORTALS.stay_if_exiting()
            problem = "the event loop that asked was ended"
            break
    raise RetrievalError(problem, source=provider.name)


class _Portals:
    """Those of this process."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._portals: dict[str, Portal] = {}
        self._is_exiting = False
        atexit.register(self._exit)
        if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
            os.register_at_fork(after_in_child=self._forget)

    def running(self, backend: str) -> Portal:
        """Return the one with this kind of loop. Raises ``OSError`` or ``RuntimeError`` if it cannot be started."""
        with self._lock:
            portal = self._portals.get(backend)
            if portal is None or not portal.is_open:
                portal = self._portals[backend] = Portal(backend)
            return portal

    def refuse_own_thread(self, name: str) -> None:
        """Raise ``ReentrantProviderError`` if this is the thread of one."""
        here = threading.get_ident()  # ``current_thread()`` would make an object for each thread that is not Python's
        if any(one.thread.ident == here and one.thread.is_alive() for one in tuple(self._portals.values())):
            raise ReentrantProviderError(
                "it is asked, by code that waits, on the event loop that would have to answer",
                source=name,
                hint="await it there, or let a worker thread wait: anyio.to_thread.run_sync(...)",
            )

    def end(self) -> None:
        """End all of them. Whoever asks after that starts a new one."""
        with self._lock:
            portals = list(self._portals.values())
        for portal in portals:
            portal.end()

    def stay_if_exiting(self) -> None:
        """Return never if the interpreter ends: this is a daemon thread then, and its error would only be printed."""
        while self._is_exiting:
            time.sleep(1)  # the interpreter does not wait for that

    def _exit(self) -> None:
        self._is_exiting = True
        self.end()

    def _forget(self) -> None:
        """Drop what the parent has: none of its threads is here."""
        for portal in self._portals.values():
            portal.close()
        self._lock = threading.RLock()
        self._portals = {}
        self._is_exiting = False


_PORTALS = _Portals()
end_all = _PORTALS.end
