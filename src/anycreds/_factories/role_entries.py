"""The entries of a ``RoleCache``: which keys have one, and which entry makes room for another.

**Eviction** gives entries a second chance. They are in a queue in the order of their creation. To make room, the first
one is removed if it was not used since it was enqueued; otherwise it loses its mark and goes to the end. An exact order
would have to be changed at every hit, which takes as long as the lookup.

**An evicted provider** stays known, by a weak reference, for as long as anything refers to it: its refresh in progress,
a caller that waits, a ``keep_fresh`` block or an adapter. A call for its key finds the same object. So there is one
cache for each key at any time, and eviction need not know what is in use.

**Lock.** Every change is made under one lock, and a lookup in ``by_key`` takes none. The methods ``__hash__`` and
``__eq__`` of the keys are called under it. It is reentrant, so that they, and a signal handler, may use the cache too.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from .._cache.provider import CachedProvider

K = TypeVar("K", bound=Hashable)


class RoleEntry(Generic[K]):
    """One key, and the provider of its credentials. Each use sets ``is_used``."""

    __slots__ = ("is_used", "key", "provider", "state")

    def __init__(self, key: K, provider: CachedProvider) -> None:
        self.key = key
        self.provider = provider
        self.state = provider._state
        self.is_used: bool = False


class RoleEntries(Generic[K]):
    """At most ``max_size`` entries, and the providers of evicted ones that are still in use."""

    __slots__ = ("_evicted", "_lock", "_queue", "by_key", "created", "evicted", "max_size")

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.by_key: dict[K, RoleEntry[K]] = {}
        self.created: int = 0  # with a new provider
        self.evicted: int = 0
        self._queue: deque[RoleEntry[K]] = deque()
        self._evicted: WeakValueDictionary[K, CachedProvider] = WeakValueDictionary()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the lock: the thread that may have it does not exist in a child process."""
        self._lock = threading.RLock()  # noqa: TID251 - see above

    def get(self, key: K) -> RoleEntry[K] | None:
        """Return the entry of a key, added again if its provider was evicted but is in use; None if there is none."""
        with self._lock:
            entry = self.by_key.get(key)
            if entry is None and (provider := self._evicted.pop(key, None)) is not None:
                entry = self._add(key, provider)
            return entry

    def add(self, key: K, provider: CachedProvider) -> RoleEntry[K]:
        """Return a new entry, unless another thread was first."""
        with self._lock:
            entry = self.get(key)
            if entry is None:
                entry = self._add(key, provider)
                self.created += 1
            return entry

    def _add(self, key: K, provider: CachedProvider) -> RoleEntry[K]:
        while len(self.by_key) >= self.max_size:
            self._evict_or_requeue()
        entry = self.by_key[key] = RoleEntry(key, provider)
        self._queue.append(entry)
        return entry

    def _evict_or_requeue(self) -> None:
        """Evict the first entry of the queue, or give it a second chance."""
        entry = self._queue.popleft()
        if entry.is_used:
            entry.is_used = False
            self._queue.append(entry)
        else:
            self._evicted[entry.key] = entry.provider
            self.by_key.pop(entry.key, None)
            self.evicted += 1

    def discard(self, key: K) -> bool:
        """Remove the entry of a key, and forget its provider if it was evicted. Return whether there was an entry."""
        with self._lock:
            self._evicted.pop(key, None)
            entry = self.by_key.pop(key, None)
            if entry is not None:
                self._queue.remove(entry)
        return entry is not None
