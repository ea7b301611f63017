"""Processes share the credentials of a role on disk: one of them calls STS, also if the one that calls is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anycreds.testing import FakeAWS, Hang
from support.budget import Budget

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks, to start processes fast"),
]

PROGRAM = Path(__file__).with_name("disk_cache_program.py")
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Processes:
    """The processes of the program."""

    def __init__(self, program: subprocess.Popen[str], count: int) -> None:
        self._program = program
        self.ids = [int(self._line()) for _ in range(count)]

    def tell(self, command: str) -> None:
        """Send a command to all processes."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{command}\n")
        self._program.stdin.flush()

    def answers(self, count: int) -> list[tuple[int, str]]:
        """Return the next answers: the process id and the access key id."""
        lines = [self._line().split() for _ in range(count)]
        return [(int(process), key_id) for process, key_id in lines]

    def _line(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline()


@contextmanager
def processes(aws: FakeAWS, backend: str, count: int) -> Iterator[Processes]:
    """Start the program within ``with``."""
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), backend, str(count), aws.service_url],
        env={**os.environ, **aws.key_environ()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        try:
            yield Processes(program, count)
        finally:
            assert program.stdin is not None
            program.stdin.close()


@pytest.mark.fault("L22")
@BACKENDS
def test_one_process_calls_for_all(isolated: Path, backend: str, budget: Budget) -> None:
    """However many processes need new credentials at once, STS is called once, and all get the same."""
    del isolated
    count, rounds = (8, 2) if budget.factor <= 1 else (40, 10)
    with FakeAWS.in_thread(latency=0.02) as aws, processes(aws, backend, count) as program:
        seen: list[set[str]] = []
        for number in range(rounds):
            program.tell("new" if number else "any")
            answers = program.answers(count)
            assert {process for process, _ in answers} == set(program.ids)
            seen.append({key_id for _, key_id in answers})
        assert aws.count("assume role") == rounds
    assert [len(keys) for keys in seen] == [1] * rounds
    assert len(set.union(*seen)) == rounds


@pytest.mark.fault("L22")
def test_killed_process_leaves_the_call_to_another(isolated: Path) -> None:
    """If the process that calls STS is killed in the middle, one of those that wait for it calls."""
    with FakeAWS.in_thread() as aws, processes(aws, "asyncio", 4) as program:
        aws.script("assume role", Hang())
        program.tell("first")
        while aws.count() < 1:
            time.sleep(0.005)
        program.tell("any")
        time.sleep(0.05)  # the others wait for the lock
        os.kill(program.ids[0], signal.SIGKILL)
        answers = program.answers(3)
        assert {process for process, _ in answers} == set(program.ids[1:])
        assert len({key_id for _, key_id in answers}) == 1
        assert aws.count("assume role") == 2
    names = {path.suffix for path in (isolated / ".aws/cli/cache").iterdir()}
    assert names == {".json", ".lock"}  # no temporary file
