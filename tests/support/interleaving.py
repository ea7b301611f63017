"""Runs functions in threads, one at a time, and switches between the threads exactly where a schedule says.

The threads are real. ``sys.settrace`` counts as a step each bytecode instruction of the traced files that may read or
change what threads share: an attribute, an element, the next one of an iteration, a ``with``. A schedule is a tuple of
switches: before step 57, counted over all threads, continue with the next thread, or with the one after that. A thread
that ends, waits for a lock of ``Scheduler.threading``, or calls ``idle`` because its event loop has nothing to do, is
followed by the next one that can run. So a schedule determines everything, and the tuple replays it. Two switches find
most faults of this kind: Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded
programs", PLDI 2007.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dis import opmap
from functools import partial
from types import CodeType, FrameType, SimpleNamespace, TracebackType
from typing import Any, TypeAlias

Schedule: TypeAlias = tuple[tuple[int, int], ...]
"""Switches in their order: the step before which, and how many threads further the next one is."""

_SHARED = {"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR", "BINARY_SUBSCR", "STORE_SUBSCR", "DELETE_SUBSCR"}
_SHARED |= {"CONTAINS_OP", "FOR_ITER", "STORE_GLOBAL", "BEFORE_WITH"}
_SHARED |= {"LOAD_SPECIAL", "BINARY_OP"}  # of 3.14, for ``with`` and for an element
_SHARED_CODES = {code for name, code in opmap.items() if name in _SHARED}
_STUCK = 30.0  # real seconds without an end of the threads: one of them waits for something that nothing here controls


class DeadlockError(Exception):
    """Every thread that has not ended waits for a lock."""


def _allow_opcodes() -> None:
    sys._getframe().f_trace_opcodes = True


_allow_opcodes()  # 3.12 reports no instructions to a trace function that was set before the first use of this flag


class ControlledLock:
    """A lock, re-entrant or not. While a thread waits for it, the scheduler lets others run."""

    def __init__(self, scheduler: Scheduler, is_reentrant: bool = False) -> None:
        self._scheduler = scheduler
        self._is_reentrant = is_reentrant
        self.owner: int | None = None
        self._depth = 0

    def __enter__(self) -> bool:
        while self.owner is not None and not (self._is_reentrant and self._is_owned()):
            self._scheduler.wait_for(self)
        self.owner = self._scheduler.current
        self._depth += 1
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self.owner = None

    def _is_owned(self) -> bool:
        """Return what the method of the same name of ``threading.RLock`` returns."""
        return self.owner == self._scheduler.current


class Scheduler:
    """Runs functions in threads under one schedule.

    Args:
        schedule: The switches.
        traced: The folders or files in whose code a thread can be switched.
        atomic: The functions in which it cannot.

    """

    Lock: type[ControlledLock] = ControlledLock

    def __init__(self, schedule: Schedule, traced: str | tuple[str, ...], atomic: tuple[str, ...] = ()) -> None:
        self.steps = 0
        """How many steps the traced code has made."""
        self._code: dict[CodeType, bytes] = {}
        self.errors: list[BaseException] = []
        self._switches = list(reversed(schedule))
        self._traced, self._atomic = traced, atomic
        self._turns: list[threading.Semaphore] = []
        self._ready = threading.Semaphore(0)
        self._all_ended = threading.Event()
        self._ended: set[int] = set()
        self._waiting: dict[int, ControlledLock] = {}
        self.now = 0.0
        """The virtual time, which passes in ``idle``."""
        self.activity = 0
        """How often threads have done anything besides these steps."""
        # What had been done when a thread had nothing to do, and before which time it has nothing to do.
        self._idle: dict[int, tuple[int, float]] = {}
        self._is_deadlocked = False
        self.current = -1
        """The number of the thread that runs; -1 before and after all of them."""
        self.threading = SimpleNamespace(Lock=partial(self.Lock, self), RLock=partial(self.Lock, self, True))
        """What the code under test has in place of the module ``threading``."""

    def run(self, functions: Sequence[Callable[[], object]]) -> None:
        """Run each function in a thread of its own, from the first one on. Their exceptions are in ``errors``."""
        self._turns = [threading.Semaphore(0) for _ in functions]
        threads = [
            threading.Thread(target=self._run_one, args=one, daemon=True, name=f"interleaved {one[0]}")
            for one in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
            self._ready.acquire()
        self._continue_with(0)
        for thread in threads:
            thread.join(_STUCK)
            assert not thread.is_alive(), f"{thread.name} waits for something that the scheduler does not control"

    def _run_one(self, number: int, function: Callable[[], object]) -> None:
        # From 3.12 on the interpreter changes code when tracing begins or ends in any thread, and 3.12.1 crashes with
        # some code that runs. So it begins in all threads before the first one runs, and ends after the last one.
        sys.settrace(self._trace_call)
        self._ready.release()
        self._turns[number].acquire()
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - for the test to see
            self.errors.append(error)
        self._ended.add(number)
        self._continue_with(self._next_after(number))
        self._all_ended.wait()
        sys.settrace(None)

    def _trace_call(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if not frame.f_code.co_filename.startswith(self._traced) or frame.f_code.co_name in self._atomic:
            return None
        frame.f_trace = self._trace_step  # 3.13 ignores ``f_trace_opcodes`` before
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._code.setdefault(frame.f_code, frame.f_code.co_code)
        return self._trace_step

    def _trace_step(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "opcode" and self._code[frame.f_code][frame.f_lasti] in _SHARED_CODES:
            self.steps += 1
            if self._switches and self._switches[-1][0] <= self.steps:
                number = (self.current + self._switches.pop()[1]) % len(self._turns)
                if number != self.current and self._can_run(number):
                    self._hand_over_to(number)
        return self._trace_step

    def wait_for(self, lock: ControlledLock) -> None:
        """Let other threads run until the current one can take the lock."""
        waiting = self.current
        self._waiting[waiting] = lock
        number = self._next_after(waiting)
        if number < 0 or self._is_deadlocked:
            raise DeadlockError(f"thread {waiting} waits for a lock that no thread will release")
        self._hand_over_to(number)
        del self._waiting[waiting]

    def idle(self, until: float) -> None:
        """Let other threads run, as the current one has nothing to do before a time.

        Time passes when no thread has anything to do: then the one with the earliest time goes on.
        """
        idle = self.current
        if idle < 0:
            self.now = until
            return
        done = self.steps + self.activity
        self._idle[idle] = (done, until)
        others = self.others()
        following = next((each for each in others if self._idle.get(each, (-1,))[0] != done), -1)
        if following < 0:
            following = min([idle, *others], key=lambda each: self._idle[each][1])
            self.now = max(self.now, self._idle[following][1])
            self.activity += 1
        if following != idle:
            self._hand_over_to(following)

    def others(self) -> list[int]:
        """Return the other threads that can run, the next one first."""
        count = len(self._turns)
        return [each for more in range(1, count) if self._can_run(each := (self.current + more) % count)]

    def hand_over(self, number: int | None) -> None:
        """Let another thread run; None for the current one."""
        if number is not None:
            self._hand_over_to(number)

    def _hand_over_to(self, number: int) -> None:
        leaving = self.current
        self._continue_with(number)
        self._turns[leaving].acquire()
        if self._is_deadlocked:
            raise DeadlockError(f"thread {leaving} cannot continue either")

    def _continue_with(self, number: int) -> None:
        self.current = number
        if number >= 0:
            self._turns[number].release()
        else:
            self._all_ended.set()

    def _can_run(self, number: int) -> bool:
        lock = self._waiting.get(number)
        return number not in self._ended and (lock is None or lock.owner is None or self._is_deadlocked)

    def _next_after(self, number: int) -> int:
        """Return the next thread that can run; -1 if all others have ended. If all wait, each gets an error."""
        count = len(self._turns)
        others = [each % count for each in range(number + 1, number + count) if each % count not in self._ended]
        runnable = [each for each in others if self._can_run(each)]
        self._is_deadlocked |= bool(others) and not runnable
        return next(iter(runnable or others), -1)
