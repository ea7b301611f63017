"""Virtual time: while every task waits, the clock jumps to the next deadline, so that a day takes milliseconds.

Sockets within the process, events, locks and sleeps work as usual. Threads and processes do not: while a task waits for
one of them, time jumps to the next deadline. If there is no deadline, time stands still and the loop really waits, as
with trio's autojump clock: a deadlock hangs.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any, NoReturn

import anyio

from ._clock import START, ManualClock

VIRTUAL_BACKENDS = ("asyncio", "trio")
"""The backends that ``virtual_backend`` supports."""

# Nanoseconds. The rounding errors of sums of floats are smaller, so that rounding removes them and deadlines are exact.
# Never round down: before its deadline anyio waits again for a time so short that asyncio takes it as already past,
# and the loop never ends.
_DIGITS = 9


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop under virtual time, which starts at 0.

    It raises ``RuntimeError`` where asyncio itself would start a thread or a process.

    Example::

        asyncio.run(main(), loop_factory=VirtualLoop)
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def _jump(self, seconds: float) -> None:
        later = self._now + seconds
        self._now = max(later, round(later, _DIGITS))
        # asyncio runs what is due before the time plus this. After 97 days a nanosecond is lost in the sum, and a
        # deadline that has come would never be before it.
        self._clock_resolution = max(1e-9, math.ulp(self._now))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        """Raise ``RuntimeError``: a thread of an ``executor`` would call ``func`` with ``args`` in real time."""
        raise RuntimeError(f"a VirtualLoop cannot start a thread: virtual time would pass before {func!r} ends")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        """Raise ``RuntimeError``, whatever ``args`` and ``options`` are: a process takes real time."""
        raise RuntimeError("a VirtualLoop cannot start a process: virtual time would pass before it ends")

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        """Raise ``RuntimeError``: a process takes real time."""
        await self.subprocess_exec(*args, **options)


class _JumpingSelector(selectors.DefaultSelector):
    """Checks for input without waiting. Without input, it skips the time that the loop would wait."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout and 0)  # None: there is no deadline, so wait for input
        if not ready and timeout is not None and timeout > 0:
            self._jump(timeout)
        return ready


class VirtualClock(ManualClock):
    """A ``ManualClock`` that runs with the current event loop. Pass it as ``clock=`` under virtual time.

    Args:
        start: The wall clock's time when the event loop's clock is 0, in seconds since 1970.

    Example::

        provider = anycreds.cached(source, clock=VirtualClock())

    See:
        The pytest fixture ``virtual_clock``, for code that creates its own providers.
    """

    __slots__ = ()

    def __init__(self, start: float = START) -> None:
        super().__init__(start, source=anyio.current_time)

    def __repr__(self) -> str:
        return f"VirtualClock({self._start!r})"  # pytest also prints it when no event loop runs, without a time


def virtual_backend(name: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of an anyio backend under virtual time.

    They are the value for a fixture ``anyio_backend``, or for ``anyio.run``. Call the function again for each run,
    because a run uses up its clock.

    Args:
        name: One of ``VIRTUAL_BACKENDS``.

    Raises:
        ValueError: The backend is not supported.

    Example::

        name, options = virtual_backend("trio")
        anyio.run(main, backend=name, backend_options=options)
    """
    if name == "asyncio":
        return name, {"loop_factory": VirtualLoop}
    if name == "trio":
        import trio.testing  # an optional dependency

        return name, {"clock": trio.testing.MockClock(autojump_threshold=0)}
    raise ValueError(f"no virtual time on {name!r}; there is {' and '.join(VIRTUAL_BACKENDS)}")
