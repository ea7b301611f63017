"""Virtual time: while every task waits, the clock jumps to the next deadline, so that a day takes milliseconds.

Sockets within the process, events, locks and sleeps work as always. Threads and processes do not mix with it: while one
of them works every task waits, so that time jumps past it. Do such things before, or answer for them from memory. If
nothing is due at all, time stands still and the loop really waits, as trio's clock does: a deadlock hangs there too.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, NoReturn

import anyio

from ._clock import START, ManualClock

VIRTUAL_BACKENDS = ("asyncio", "trio")
"""The backends that ``virtual_backend`` knows: the parameters for a fixture."""

# A nanosecond. Sums of binary fractions drift by less, and rounding takes the drift out, so deadlines end on the dot.
# Never down, though: before its deadline anyio waits again, for a moment that asyncio takes for past already, for ever.
_DIGITS = 9


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop under virtual time, which starts at 0. Use it as a ``loop_factory``.

    Raises ``RuntimeError`` where asyncio itself would start a thread or a process.
    """

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Return the virtual time, in seconds."""
        return self._now

    def _jump(self, seconds: float) -> None:
        then = self._now + seconds
        self._now = max(then, round(then, _DIGITS))

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        """Refuse: a thread takes real time. Raises ``RuntimeError``."""
        raise RuntimeError(f"a VirtualLoop starts no thread: time would jump past {func!r}")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        """Refuse: a process takes real time. Raises ``RuntimeError``."""
        raise RuntimeError("a VirtualLoop starts no process: time would jump past it")

    subprocess_shell = subprocess_exec


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for input without waiting; if there is none, the time that the loop would wait is skipped."""

    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout and 0)  # None stays None: nothing is due, so only input can help
        if not ready and timeout is not None and timeout > 0:
            self._jump(timeout)
        return ready


class VirtualClock(ManualClock):
    """A ``ManualClock`` that runs with the event loop it is read in. Give it to what is tested under virtual time."""

    __slots__ = ()

    def __init__(self, start: float = START) -> None:
        super().__init__(start, source=anyio.current_time)


def virtual_backend(name: str) -> tuple[str, dict[str, Any]]:
    """Return an anyio backend with its options, with virtual time that starts now.

    ``name`` is one of ``VIRTUAL_BACKENDS``. Call it anew for each run: the clock belongs to one.
    Use the answer in a fixture ``anyio_backend``, or as ``anyio.run(main, backend=name, backend_options=options)``.
    """
    if name == "asyncio":
        return name, {"loop_factory": VirtualLoop}
    if name == "trio":
        import trio.testing  # an extra: programs on asyncio do not have it

        return name, {"clock": trio.testing.MockClock(autojump_threshold=0)}
    raise ValueError(f"no virtual time on {name!r}; there is {' and '.join(VIRTUAL_BACKENDS)}")
