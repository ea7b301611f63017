"""The search can fail: it finds each fault that is planted in the cache, and repeats its schedule from the token."""

from __future__ import annotations

import pytest

from simulation.exhaustive.planted import FAULTS, Planted
from simulation.exhaustive.schedules import ScheduleError, explore, repeat
from simulation.exhaustive.worlds import WORLDS, WORLDS_OF_SEVERAL

ROWS = [pytest.param(loop, fault, id=f"{fault.plant.__name__}-{loop}") for fault in FAULTS for loop in fault.loops]


@pytest.mark.parametrize(("loop", "fault"), ROWS)
def test_the_search_finds_a_planted_fault(loop: str, fault: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a planted fault a schedule breaks an invariant, and does so again when it is repeated from its token."""
    fault.plant(monkeypatch)
    with pytest.raises(ScheduleError) as caught:
        explore(loop, {**WORLDS, **WORLDS_OF_SEVERAL}[fault.world], fault.deviations)
    repeated = repeat(caught.value.token)
    assert repeated.history.problems == caught.value.problems
    assert f"--replay {caught.value.token}" in str(caught.value)
    monkeypatch.undo()
    assert repeat(caught.value.token).history.problems == []
