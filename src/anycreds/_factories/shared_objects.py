"""One object in a process for all pickles of one object, so that all tasks of a worker share one cache.

Engines such as Dask and Ray pickle a provider into every task, and a worker unpickles each pickle. If each were another
provider, each task would call the source. So the first pickling gives an object a random identity, which is in all of
its pickles. A process that has an object of this identity, the original or a copy, uses that.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from .._system.fork import after_fork

T = TypeVar("T")

# How many unpickled objects are kept between the tasks that use them. Few jobs use as many roles; a used provider has
# about 10 KB, so they take a few megabytes at most.
_KEPT = 256


class SharedObjects:
    """The objects of this process that have been pickled or unpickled, by their identities."""

    def __init__(self) -> None:
        self._identities: WeakKeyDictionary[Any, tuple[bytes, object]] = WeakKeyDictionary()
        self._objects: WeakValueDictionary[bytes, Any] = WeakValueDictionary()
        self._kept: deque[object] = deque(maxlen=_KEPT)
        self.reset_after_fork()
        after_fork(self, SharedObjects.reset_after_fork)

    def identify(self, given: object, settings: object = None) -> bytes:
        """Return the identity of an object, which gets another one when its settings have changed."""
        with self._lock:
            identity, known = self._identities.get(given, (None, None))
            if identity is None or known != settings:
                identity = os.urandom(16)  # never twice, on any machine
                self._identities[given] = identity, settings
                self._objects[identity] = given
            return identity

    def find_or_make(self, identity: bytes, make: Callable[[], T], settings: object = None) -> T:
        """Return the object with an identity; make it, with these settings, if this process has none."""
        found: T | None = self._objects.get(identity)
        if found is not None:
            return found
        made = make()
        with self._lock:
            first: T = self._objects.setdefault(identity, made)  # another thread may have been first
            if first is made:
                self._identities[made] = identity, settings
                self._kept.append(made)
            return first

    def reset_after_fork(self) -> None:
        """Replace the lock, which another thread of the parent process may have held."""
        self._lock = Lock()


SHARED = SharedObjects()
