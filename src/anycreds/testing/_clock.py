"""``ManualClock``: a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable

# 2026-01-01T00:00:00Z: a whole second, without a leap day or leap second nearby.
START = 1_767_225_600.0


class ManualClock:
    """A clock for tests, which never reads a real clock and never waits.

    Args:
        start: The first reading of the wall clock, in seconds since 1970. The monotonic clock starts at 0.
        source: A function such as ``anyio.current_time`` that makes both clocks run: the monotonic clock returns its
            value, and the wall clock ``start`` plus that. Default: time stands still.

    Attributes:
        chance: What ``jitter()`` returns, at least 0 and below 1 (default: 0.5).

    Example::

        clock = ManualClock()
        provider = anycreds.cached(source, clock=clock)
        await provider()
        clock.advance(3600)
        await provider()
    """

    __slots__ = ("_advanced", "_source", "_start", "_stepped", "chance")

    def __init__(self, start: float = START, *, source: Callable[[], float] | None = None) -> None:
        self._start = start
        self._source = source
        self._advanced = 0.0
        self._stepped = 0.0
        self.chance: float = 0.5

    def time(self) -> float:
        """Return the wall clock's time, in seconds since 1970."""
        return self._start + self._stepped + self.monotonic()

    def monotonic(self) -> float:
        """Return the monotonic clock's time, in seconds."""
        return self._advanced if self._source is None else self._source() + self._advanced

    def jitter(self) -> float:
        """Return ``chance``."""
        return self.chance

    def advance(self, seconds: float) -> None:
        """Advance both clocks.

        Args:
            seconds: By how much.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        self._advanced += _not_negative(seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock, as an administrator or NTP does.

        Args:
            seconds: How much later; how much earlier, if negative.
        """
        self._stepped += seconds

    def suspend(self, seconds: float) -> None:
        """Suspend the machine: the wall clock advances, the monotonic clock does not.

        Args:
            seconds: For how long.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        self._stepped += _not_negative(seconds)

    def __repr__(self) -> str:
        return f"ManualClock(time={self.time()!r}, monotonic={self.monotonic()!r})"


def _not_negative(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"time cannot pass backwards: {seconds!r} s; use step() to set the wall clock back")
    return seconds
