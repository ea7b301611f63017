"""Time that stands still until a test moves it. Nothing here reads a real clock or waits."""

from __future__ import annotations

from collections.abc import Callable

# 2026-01-01T00:00:00Z: a whole second, far from every leap and from the dates that documents use as examples.
START = 1_767_225_600.0


class ManualClock:
    """A clock for tests: ``time()``, ``monotonic()`` and ``jitter()``, each exactly what the test says.

    ``start`` is the wall clock's first reading, in seconds since 1970; the monotonic clock starts at 0.
    ``source`` (optional) is a function such as ``anyio.current_time`` that makes both clocks run: the monotonic clock
    is then what it answers, and the wall clock is ``start`` plus that.
    """

    __slots__ = ("_advanced", "_source", "_start", "_stepped", "chance")

    chance: float
    """What ``jitter()`` answers: at least 0 and below 1."""

    def __init__(self, start: float = START, *, source: Callable[[], float] | None = None) -> None:
        self._start = start
        self._source = source
        self._advanced = 0.0
        self._stepped = 0.0
        self.chance = 0.5

    def time(self) -> float:
        """Return the wall clock, in seconds since 1970."""
        return self._start + self._stepped + self.monotonic()

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return self._advanced if self._source is None else self._source() + self._advanced

    def jitter(self) -> float:
        """Return ``chance``."""
        return self.chance

    def advance(self, seconds: float) -> None:
        """Let time pass: both clocks move on by ``seconds``. Raises ``ValueError`` if that is negative."""
        self._advanced += _forward(seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock forth (or back, if negative), as an administrator or NTP does. No time passes."""
        self._stepped += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep, as a closed laptop does: the wall clock moves on, the monotonic one stands still.

        Raises ``ValueError`` if ``seconds`` is negative.
        """
        self._stepped += _forward(seconds)

    def __repr__(self) -> str:
        return f"ManualClock(time={self.time()!r}, monotonic={self.monotonic()!r})"


def _forward(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"time cannot pass backwards: {seconds!r} s; step() sets the wall clock back")
    return seconds
