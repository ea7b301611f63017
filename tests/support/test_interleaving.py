"""The scheduler of threads: it finds planted races and deadlocks, and replays them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support.interleaving import DeadlockError, Schedule, Scheduler


class Counter:
    """A counter of two threads, with or without a lock."""

    def __init__(self, lock: Any = None) -> None:
        self.value = 0
        self._lock = lock

    def add(self) -> None:
        """Add one."""
        if self._lock is None:
            self._add()
        else:
            with self._lock:
                self._add()

    def _add(self) -> None:
        value = self.value
        self.value = value + 1


def count(schedule: Schedule, *, is_locked: bool) -> tuple[int, int]:
    """Return the sum that two threads count to, and the number of steps."""
    scheduler = Scheduler(schedule, __file__)
    counter = Counter(scheduler.threading.Lock() if is_locked else None)
    scheduler.run([counter.add, counter.add])
    assert scheduler.errors == []
    return counter.value, scheduler.steps


@pytest.mark.parametrize("is_locked", [False, True])
def test_lost_update_is_found_only_without_a_lock(is_locked: bool) -> None:
    """Of all schedules with one switch some lose an update of a counter without a lock; with a lock none does."""
    total, steps = count((), is_locked=is_locked)
    assert total == 2
    lost = [step for step in range(1, steps + 1) if count(((step, 1),), is_locked=is_locked)[0] == 1]
    assert bool(lost) is not is_locked


def test_schedule_replays_exactly() -> None:
    """The same schedule has the same result and the same steps, each time."""
    _, steps = count((), is_locked=False)
    schedules = [((step, 1), (step + 20, 1)) for step in range(1, steps)]
    first = [count(schedule, is_locked=False) for schedule in schedules]
    assert [count(schedule, is_locked=False) for schedule in schedules] == first
    assert len(set(first)) > 1


def outcome(schedule: Schedule, lock_both: Callable[[Any, Any], None], lock: str = "Lock") -> list[type]:
    """Return the errors of two threads that take the same two locks, the second thread in the other order."""
    scheduler = Scheduler(schedule, __file__)
    one, other = getattr(scheduler.threading, lock)(), getattr(scheduler.threading, lock)()
    scheduler.run([lambda: lock_both(one, other), lambda: lock_both(other, one)])
    return [type(error) for error in scheduler.errors]


def take_both(first: Any, second: Any) -> None:
    with first, second:
        pass


def take_twice(first: Any, _: Any) -> None:
    with first, first:
        pass


def never_release(first: Any, second: Any) -> None:
    first.__enter__()
    second.__enter__()


def test_deadlock_is_found() -> None:
    """Two locks that are taken in different orders stop both threads under some schedule with one switch."""
    assert outcome((), take_both) == []
    found = [outcome(((step, 1),), take_both) for step in range(1, 20)]
    assert [DeadlockError, DeadlockError] in found


def test_lock_is_not_taken_twice() -> None:
    """A thread that takes a plain lock twice waits forever; a re-entrant one lets it in."""
    assert outcome((), take_twice) == [DeadlockError, DeadlockError]
    assert outcome((), take_twice, "RLock") == []


def test_lock_that_is_never_released_is_found() -> None:
    """A thread that waits for a lock whose owner has ended gets an error."""
    assert outcome((), never_release) == [DeadlockError]


def test_error_of_a_thread_does_not_stop_the_others() -> None:
    """An exception of one thread is noted, and the other thread runs to its end."""
    counter = Counter()

    def fail() -> None:
        raise ValueError

    scheduler = Scheduler((), __file__)
    scheduler.run([fail, counter.add])
    assert [type(error) for error in scheduler.errors] == [ValueError]
    assert (counter.value, scheduler.current) == (1, -1)


def test_time_passes_for_the_thread_that_is_due_first() -> None:
    """Threads that have nothing to do wait for each other; then the one with the earliest time goes on."""
    scheduler = Scheduler((), "no file")
    due: list[float] = []

    def wait_for(*times: float) -> None:
        for until in times:
            while scheduler.now < until:
                scheduler.idle(until)
            due.append(until)

    scheduler.run([lambda: wait_for(1, 4, 5), lambda: wait_for(2, 3), lambda: wait_for(6)])
    assert (due, scheduler.errors) == ([1, 2, 3, 4, 5, 6], [])
    scheduler.idle(7)  # no thread runs
    assert scheduler.now == 7
