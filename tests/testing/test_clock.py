"""``ManualClock``: only the test moves it."""

from __future__ import annotations

import pytest

from anycreds.testing import ManualClock


def test_time_stands_still() -> None:
    """Without a call, neither clock moves."""
    clock = ManualClock(1000.0)
    assert [clock.time(), clock.monotonic(), clock.time(), clock.monotonic()] == [1000.0, 0.0, 1000.0, 0.0]


def test_advance_moves_both() -> None:
    """``advance()`` moves both clocks."""
    clock = ManualClock(1000.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (1002.5, 2.5)


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_step_moves_the_wall_clock_only(seconds: float) -> None:
    """``step()`` sets the wall clock forward or back, and leaves the monotonic clock."""
    clock = ManualClock(10_000.0)
    clock.advance(1.0)
    clock.step(seconds)
    assert (clock.time(), clock.monotonic()) == (10_001.0 + seconds, 1.0)


def test_suspend_moves_the_wall_clock_only() -> None:
    """``suspend()`` leaves the monotonic clock unchanged."""
    clock = ManualClock(1000.0)
    clock.suspend(8 * 3600.0)
    assert (clock.time(), clock.monotonic()) == (1000.0 + 8 * 3600.0, 0.0)


def test_time_does_not_pass_backwards() -> None:
    """A negative number of seconds is an error, and changes neither clock."""
    clock = ManualClock(1000.0)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1.0)
    with pytest.raises(ValueError, match="backwards"):
        clock.suspend(-1.0)
    assert (clock.time(), clock.monotonic()) == (1000.0, 0.0)


def test_jitter_returns_chance() -> None:
    """``jitter()`` returns ``chance``, which is 0.5 by default."""
    clock = ManualClock()
    assert clock.jitter() == 0.5
    clock.chance = 0.0
    assert clock.jitter() == 0.0


def test_source_drives_both() -> None:
    """With a source, both clocks follow it, plus every step and advance."""
    now = 5.0
    clock = ManualClock(1000.0, source=lambda: now)
    assert (clock.time(), clock.monotonic()) == (1005.0, 5.0)
    now = 6.0
    clock.step(-100.0)
    clock.advance(1.0)
    assert (clock.time(), clock.monotonic()) == (907.0, 7.0)
