"""The entries of a ``RoleCache``: which keys have one, and which entry makes room for another.

**Eviction** gives entries a second chance. They are in a queue in the order of their creation. To make room, the first
one is removed if it was not used since it was enqueued; otherwise it loses its mark and goes to the end. An exact order
would have to be changed at every hit, which takes as long as the lookup.

**An evicted provider** stays known, by a weak reference, for as long as anything refers to it: its refresh in progress,
a caller that waits, a ``keep_fresh`` block or an adapter. A call for its key finds the same object. So there is one
cache for each key at any time, and eviction need not know what is in use.

**A hit** looks up the state of a provider in ``states``, takes no lock, and sets its mark. It touches neither the entry
nor the provider: with 10,000 roles each object is one more that is not in the processor's cache.

**Lock.** Every change is made under one lock. The methods ``__hash__`` and
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
    from .._cache.state import CacheState

K = TypeVar("K", bound=Hashable)

# How many entries get a second chance for one new entry. If all were used, it would otherwise look at all of them, and
# block the event loop: 1,000 take 0.1 ms.
MAX_SECOND_CHANCES = 1_000


class RoleEntry(Generic[K]):
    """One key, and the provider of its credentials."""

    __slots__ = ("key", "provider", "state")

    def __init__(self, key: K, provider: CachedProvider) -> None:
        self.key = key
        self.provider = provider
        self.state = provider._state


class RoleEntries(Generic[K]):
    """At most ``max_size`` entries, and the providers of evicted ones that are still in use."""

    __slots__ = ("_by_key", "_evicted", "_lock", "_queue", "created", "evicted", "max_size", "states")

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.states: dict[K, CacheState] = {}
        """The state of the provider of each entry; its ``is_used`` is the mark of a use."""
        self.created: int = 0  # with a new provider
        self.evicted: int = 0
        self._by_key: dict[K, RoleEntry[K]] = {}
        self._queue: deque[RoleEntry[K]] = deque()
        self._evicted: WeakValueDictionary[K, CachedProvider] = WeakValueDictionary()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Drop the lock: the thread that may have it does not exist in a child process."""
        self._lock = threading.RLock()  # noqa: TID251 - see above

    def get(self, key: K) -> RoleEntry[K] | None:
        """Return the entry of a key, added again if its provider was evicted but is in use; None if there is none."""
        with self._lock:
            entry = self._by_key.get(key)
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
        chances = MAX_SECOND_CHANCES
        while len(self._by_key) >= self.max_size:
            chances -= self._evict_or_requeue(may_requeue=chances > 0)
        entry = self._by_key[key] = RoleEntry(key, provider)
        self.states[key] = entry.state
        entry.state.is_used = False
        self._queue.append(entry)
        return entry

    def _evict_or_requeue(self, *, may_requeue: bool) -> bool:
        """Evict the first entry of the queue, or give it a second chance. Return whether it got one."""
        entry = self._queue.popleft()
        is_requeued = may_requeue and entry.state.is_used
        if is_requeued:
            entry.state.is_used = False
            self._queue.append(entry)
        else:
            self._evicted[entry.key] = entry.provider
            self._by_key.pop(entry.key, None)
            self.states.pop(entry.key, None)
            self.evicted += 1
        return is_requeued

    def discard(self, key: K) -> bool:
        """Remove the entry of a key, and forget its provider if it was evicted. Return whether there was an entry."""
        with self._lock:
            self._evicted.pop(key, None)
            entry = self._by_key.pop(key, None)
            if entry is not None:
                self.states.pop(key, None)
                self._queue.remove(entry)
        return entry is not None
