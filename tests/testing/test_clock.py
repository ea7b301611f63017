"""The clock that only a test moves."""

from __future__ import annotations

import pytest

from anycreds.testing import ManualClock


def test_time_stands_still() -> None:
    """Without being told, neither clock moves."""
    clock = ManualClock(1000.0)
    assert [clock.time(), clock.monotonic(), clock.time(), clock.monotonic()] == [1000.0, 0.0, 1000.0, 0.0]


def test_advance_moves_both() -> None:
    """Time that passes shows on both clocks."""
    clock = ManualClock(1000.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (1002.5, 2.5)


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_step_moves_the_wall_clock_only(seconds: float) -> None:
    """A clock that is set, forth or back, lets no time pass."""
    clock = ManualClock(10_000.0)
    clock.advance(1.0)
    clock.step(seconds)
    assert (clock.time(), clock.monotonic()) == (10_001.0 + seconds, 1.0)


def test_suspend_moves_the_wall_clock_only() -> None:
    """A suspended machine's monotonic clock stands still."""
    clock = ManualClock(1000.0)
    clock.suspend(8 * 3600.0)
    assert (clock.time(), clock.monotonic()) == (1000.0 + 8 * 3600.0, 0.0)


def test_time_does_not_pass_backwards() -> None:
    """What would make the monotonic clock run backwards is refused, and changes nothing."""
    clock = ManualClock(1000.0)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1.0)
    with pytest.raises(ValueError, match="backwards"):
        clock.suspend(-1.0)
    assert (clock.time(), clock.monotonic()) == (1000.0, 0.0)


def test_chance_is_set() -> None:
    """What jitter answers is what the test says, one half at first."""
    clock = ManualClock()
    assert clock.jitter() == 0.5
    clock.chance = 0.0
    assert clock.jitter() == 0.0


def test_source_drives_both() -> None:
    """With a source, the monotonic clock is the source and the wall clock follows it, with every step added."""
    now = 5.0
    clock = ManualClock(1000.0, source=lambda: now)
    assert (clock.time(), clock.monotonic()) == (1005.0, 5.0)
    now = 6.0
    clock.step(-100.0)
    clock.advance(1.0)
    assert (clock.time(), clock.monotonic()) == (907.0, 7.0)
