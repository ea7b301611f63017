"""The timers of a run of trio, which has none: deadlines of its scopes cancel, and call nothing.

One system task waits for the next timer. It starts with the first timer, and ends with the run: starting a task for
each attempt would take as long as a tenth of a call of a metadata service. Without a timer it waits for nothing.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import trio


class TrioTimer:
    """A call that will be made at some time; see ``Timer``."""

    __slots__ = ("_timers", "callback")

    def __init__(self, timers: TrioTimers, callback: Callable[[], object]) -> None:
        self._timers = timers
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Do not make it. See ``Timer``."""
        self.callback = None
        self._timers.forget_cancelled()


class TrioTimers:
    """The clock and the timers of a run; see ``Timers``."""

    time = staticmethod(trio.current_time)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TrioTimer]] = []
        self._numbers = count()  # timers of one time are called in the order in which they were made
        self._wait = trio.CancelScope()
        self._has_ended = False
        trio.lowlevel.spawn_system_task(self._run, name="anycreds timers")

    def call_at(self, when: float, callback: Callable[[], object], /) -> TrioTimer:
        """Call a function at a time. See ``Timers``."""
        if self._has_ended:
            raise RuntimeError("trio has ended the system tasks of this run")
        timer = TrioTimer(self, callback)
        heapq.heappush(self._heap, (when, next(self._numbers), timer))
        if when < self._wait.deadline:  # noqa: PLR1730 - setting the same deadline again takes a microsecond
            self._wait.deadline = when
        return timer

    def forget_cancelled(self) -> None:
        """Forget cancelled timers. The task may wake up for one in vain, but not after the last one."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        if not self._heap:
            self._wait.deadline = math.inf

    async def _run(self) -> None:
        try:
            while True:
                with self._wait:
                    await trio.sleep_forever()
                self._wait = trio.CancelScope()
                self._call_due(trio.current_time())
                self.forget_cancelled()
                if self._heap:
                    self._wait.deadline = self._heap[0][0]
        finally:
            self._has_ended = True

    def _call_due(self, now: float) -> None:
        due = list[TrioTimer]()  # not those that are made meanwhile: input is checked before they are called
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for timer in due:
            if timer.callback is not None:
                timer.callback()


_timers: trio.lowlevel.RunVar[TrioTimers] = trio.lowlevel.RunVar("anycreds timers")


def timers_of_run() -> TrioTimers:
    """Return the timers of this run. Raise ``RuntimeError`` if it starts no more system tasks."""
    try:
        return _timers.get()
    except LookupError:
        timers = TrioTimers()
        _timers.set(timers)
        return timers
