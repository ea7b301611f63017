"""Commands that are cancelled or killed at random times, and programs that are interrupted: no process is left."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import anyio
import pytest

import anycreds
from anycreds import CredentialsError
from anycreds.testing import CANARY
from support.budget import Budget
from support.goals import RecordGoal

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc, to look for processes and descriptors"),
]

OUTPUT = f'{{"Version": 1, "AccessKeyId": "AKID", "SecretAccessKey": "{CANARY}-s", "SessionToken": "{CANARY}-t"}}'
CLEANUP = 2.0  # seconds in which every process has to be gone
ANSWER = 0.1  # seconds after the exit of a command within which its output is used, on an idle machine
EXIT = 1.0  # seconds after Ctrl-C in which a program has to end
PROGRAM = Path(__file__).with_name("interrupted_program.py")


class Command:
    """A command in the shared files, whose processes write their ids to a file."""

    def __init__(self, home: Path, command: str) -> None:
        self._pids = home / "pids"
        self._pids.touch()
        folder = home / ".aws"
        folder.mkdir(exist_ok=True)
        script = folder / "command.sh"
        script.write_text(command.replace("PIDS", quote(str(self._pids))))
        (folder / "config").write_text(f"[default]\ncredential_process = sh {quote(str(script))}\n")

    def pids(self) -> list[int]:
        """Return the ids of the processes that have started, and forget none."""
        return [int(line) for line in self._pids.read_text().split()]

    def survivors(self) -> list[int]:
        """Return which processes still run."""
        return [pid for pid in self.pids() if is_running(pid)]


def is_running(pid: int) -> bool:
    """Return whether a process exists and is no zombie, which its new parent has yet to reap."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def has_zombie() -> bool:
    """Return whether this program has a child that it has not reaped."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return False


def seconds_until(condition: Callable[[], bool], longest: float) -> float:
    """Wait for other processes, and return how long."""
    started = time.monotonic()
    while not condition() and time.monotonic() < started + longest:
        time.sleep(0.002)
    return time.monotonic() - started


@pytest.fixture
def home(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home directory, whose shared files are used."""
    monkeypatch.delenv("AWS_CONFIG_FILE")
    return isolated


# Two processes; the second holds the pipes of the first.
HANGS = "echo $$ >> PIDS\nsleep 300 &\necho $! >> PIDS\nexec sleep 300\n"


@pytest.mark.fault("P06")
@pytest.mark.goal("G10", long=True)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_command_that_ends_at_a_random_time(
    home: Path, backend: str, how: str, budget: Budget, goal: RecordGoal
) -> None:
    """A command that is cancelled or killed at any time is gone with its processes, and leaves no descriptor."""
    command = Command(home, HANGS)
    chance = budget.random(backend, how)

    async def end_soon() -> None:
        seconds = chance.uniform(0, 0.1)
        if how == "cancelled":
            with anyio.move_on_after(seconds):
                await anycreds.from_process()()
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill_after, seconds, command, len(command.pids()), chance)
            with pytest.raises(CredentialsError):
                await anycreds.from_process()()

    async def main() -> tuple[int, int, float]:
        async with anyio.create_task_group() as tasks:  # the first loads the library, and opens what stays open
            tasks.start_soon(anycreds.from_process())
            with anyio.fail_after(10):
                while not command.pids():  # noqa: ASYNC110 - another process writes it
                    await anyio.sleep(0.002)
            tasks.cancel_scope.cancel()
        before, slowest = len(os.listdir("/proc/self/fd")), 0.0  # noqa: PTH208
        for _ in range(budget.count(15)):
            await end_soon()
            slowest = max(slowest, seconds_until(lambda: not command.survivors() and not has_zombie(), CLEANUP))
        return len(command.survivors()), len(os.listdir("/proc/self/fd")) - before, slowest  # noqa: PTH208

    survivors, opened, slowest = anyio.run(main, backend=backend)
    goal(
        "G10",
        "{commands} commands cancelled or killed: {survivors} processes and {opened} descriptors left, gone after at "
        "most {slowest:.2f} s",
        "{commands} of 50",
        commands=budget.count(15),
        survivors=survivors,
        opened=max(0, opened),
        slowest=slowest,
    )
    assert survivors == 0
    assert opened <= 0
    assert slowest < CLEANUP
    assert len(command.pids()) > budget.count(15)  # otherwise they were cancelled before they started


async def kill_after(seconds: float, command: Command, known: int, chance: random.Random) -> None:
    """Kill a command that is started after so many known processes, alone or with all of its group."""
    with anyio.fail_after(10):
        while len(command.pids()) < known + 1:  # noqa: ASYNC110 - another process writes it
            await anyio.sleep(0.002)
    await anyio.sleep(seconds)
    leader = command.pids()[known]
    if chance.random() < 0.5:
        os.kill(leader, signal.SIGKILL)
    else:
        os.killpg(os.getpgid(leader), signal.SIGKILL)


@pytest.mark.fault("P05")
@pytest.mark.goal("G10", long=True)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_command_that_leaves_a_process_on_its_pipe(home: Path, backend: str, goal: RecordGoal) -> None:
    """The output of a command is used soon after its exit, though another process still holds the pipe."""
    exited = home / "exited"
    command = Command(
        home, f"sleep 300 &\necho $! >> PIDS\nprintf '%s' '{OUTPUT}'\ndate +%s.%N > {quote(str(exited))}\n"
    )
    taken: list[float] = []

    async def main() -> None:
        for _ in range(10):  # the fastest counts, since the machine may be busy
            await anycreds.from_process()()
            taken.append(time.time() - float(exited.read_text()))

    anyio.run(main, backend=backend)
    seconds_until(lambda: not command.survivors(), CLEANUP)
    goal(
        "G10",
        "beside a process on the pipe an answer after {taken:.0f} ms, {survivors} left",
        taken=min(taken) * 1000,
        survivors=len(command.survivors()),
    )
    assert min(taken) < ANSWER
    assert command.survivors() == []


class Interrupted(NamedTuple):
    """How a program ended after Ctrl-C."""

    seconds: float
    errors: str


def interrupt(arguments: list[str], after: float) -> Interrupted:
    """Start a program and interrupt it some time after it has begun to call."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "started\n"
        time.sleep(after)
        started = time.monotonic()
        program.send_signal(signal.SIGINT)
        try:
            _, errors = program.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            program.kill()
            _, errors = program.communicate()
        return Interrupted(time.monotonic() - started, errors)


@pytest.mark.goal("G20", long=True)
@pytest.mark.parametrize("how", ["run", "run_until_complete", "trio"])
@pytest.mark.usefixtures("interruptible")
def test_program_interrupted_at_a_random_time(home: Path, how: str, budget: Budget, goal: RecordGoal) -> None:
    """A program that is interrupted at any time ends within a second by the interrupt, and leaves no process."""
    command = Command(home, HANGS)
    chance = budget.random(how)
    points, slowest, orphans, others = budget.count(6), 0.0, 0, 0
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for number in range(points):
            url = "process" if number % 2 else f"http://127.0.0.1:{silent.getsockname()[1]}/"
            arguments, after = [sys.executable, str(PROGRAM), how, url], chance.uniform(0, 0.15)
            end = interrupt(arguments, after)
            if end.seconds > EXIT:  # perhaps because other programs have kept all cores busy
                end = min(interrupt(arguments, after) for _ in range(2))
            slowest = max(slowest, end.seconds)
            others += "KeyboardInterrupt" not in end.errors
            seconds_until(lambda: not command.survivors(), CLEANUP)
            orphans += len(command.survivors())
            for pid in command.survivors():
                os.kill(pid, signal.SIGKILL)
    goal(
        "G20",
        "{points} interrupts: {others} that do not end by KeyboardInterrupt, {orphans} processes left, ended after at "
        "most {slowest:.2f} s",
        "{points} of 10",
        points=points,
        others=others,
        orphans=orphans,
        slowest=slowest,
    )
    assert others == 0
    assert orphans == 0
    assert slowest < EXIT
