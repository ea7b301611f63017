"""The option ``--replay`` repeats a schedule in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.exhaustive.schedules import LOOPS, play, repeat
from simulation.exhaustive.search import Search
from simulation.exhaustive.worlds import WORLDS

FOLDER = Path(__file__).parent


def token_with_a_cancelled_late_caller(loop: str) -> str:
    """Return the token of a schedule that is not the default one."""
    search = Search(1)
    for _ in search:
        if any("cancel call 3" in event for event in play(loop, WORLDS["slow"], search).history.events):
            return f"{loop}:slow:{search.token}"
    raise AssertionError("no such schedule")


@pytest.mark.realtime
@pytest.mark.parametrize("loop", LOOPS)
def test_a_token_repeats_its_schedule_in_another_process(loop: str) -> None:
    """The option runs only this schedule, and prints the events that it has in this process too."""
    token = token_with_a_cancelled_late_caller(loop)
    command = (sys.executable, "-m", "pytest", "-qsp", "no:cacheprovider", str(FOLDER), "--replay", token)
    # Hashes of texts differ between processes, and with them the order of sets.
    environ = {**os.environ, "PYTHONHASHSEED": "7"}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert "\n".join(repeat(token).history.events) in ended.stdout
    assert "1 passed" in ended.stdout


def test_a_token_of_other_code_is_refused() -> None:
    """A token whose decisions do not exist in this version of the code is reported, rather than half obeyed."""
    assert any("token" in problem for problem in repeat("asyncio:up:dt1-cgAAAABj").history.problems)
