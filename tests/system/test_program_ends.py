"""A program ends at once, in whatever way it runs its event loop and is ended, and no command that it runs survives.

A provider is in the middle of something that may hang: a disk, a name server, a service or a command.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

import anycreds
from support.goals import RecordGoal

SOURCE = Path(anycreds.__file__).parents[1]

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.usefixtures("interruptible"),
]

# Seconds. An interrupted program of these tests takes 50 ms, and a second and more if the machine is busy. A program
# that waits for what hangs takes a minute.
PROMPT, LONG = 10.0, 45.0
AT_ONCE = 6  # programs

PROGRAM = """
import asyncio, os, signal, socket, sys, threading, time
import anyio, anycreds
signal.alarm(120)  # should the test itself be killed
kind, state, end = sys.argv[1:]

def hang():
    open("ready", "w").close()
    time.sleep(60)

def is_ready():
    return os.path.exists("ready")

if state == "name server":
    resolve = socket.getaddrinfo
    def slow(host, *arguments, **options):
        if "sts.example.invalid" in str(host) and not options.get("flags", 0) & socket.AI_NUMERICHOST:
            hang()
        return resolve(host, *arguments, **options)
    socket.getaddrinfo = slow
    keys = anycreds.from_env(environ={"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "key"})
    config = anycreds.ClientConfig(region="us-east-1", endpoint_url="https://sts.example.invalid")
    role = "arn:aws:iam::123456789012:role/x"
    provider = anycreds.from_temporary_credentials(role, source_credentials=keys, client_config=config)
elif state == "disk":
    from anycreds._system.files import snapshot
    opened = os.open
    os.open = lambda path, *arguments, **options: hang() if path == "hung" else opened(path, *arguments, **options)
    snapshot.read_directly = lambda wanted: None  # it is not used for a disk that may hang
    provider = anycreds.from_ini("dev", config_filepath="hung")
elif state == "server":
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: (listener.accept(), hang()), daemon=True).start()
    provider = anycreds.from_http(full_uri=f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=60)
else:
    provider = anycreds.from_process({"nothing": "quick"}.get(state, state))
provider = anycreds.cached(provider)

async def ending():
    while not is_ready():
        await anyio.sleep(0.005)
    if end == "sys.exit":
        sys.exit(3)
    if end == "os._exit":
        os._exit(3)
    if end == "fork":
        if (child := os.fork()) == 0:
            time.sleep(60)  # unless the test ends it
            os._exit(3)
        with open("child", "w") as file:
            file.write(str(child))
        os._exit(3)
    await anyio.sleep(60)

async def main():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ending)
        await provider()
        open("ready", "w").close()

def new_loop():
    if kind.startswith("uvloop"):
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()

way = kind.partition(" ")[2]
if kind == "trio":
    import trio
    trio.run(main)
elif way == "thread":
    threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
    time.sleep(60)
elif way:
    loop = new_loop()
    task = loop.create_task(main())
    try:
        loop.run_forever() if way == "forever" else loop.run_until_complete(task)
    finally:
        way == "until complete, closed" and loop.close()
else:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
"""
CONFIG = f"""
[profile command]
credential_process = sleep 300 & echo $! $$ > pids; touch ready; sleep 300; echo
[profile nested]
credential_process = {sys.executable} -m anycreds process --profile command
[profile quick]
credential_process = echo '{{"Version": 1, "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "key"}}'
"""
KINDS = (
    "asyncio",
    "asyncio until complete",
    "asyncio until complete, closed",
    "asyncio forever",
    "asyncio thread",
    "uvloop",
    "uvloop until complete",
    "trio",
)
STATES = ("disk", "name server", "server", "command", "nothing")
SIGNALS = {name: getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL")}
ENDS = (*SIGNALS, "sys.exit", "os._exit", "fork")


class Row(NamedTuple):
    """How a program runs its loop, what it is in the middle of, and how it is ended."""

    kind: str
    state: str = "command"
    end: str = "SIGINT"


class Program:
    """A program in a process of its own, in its own folder."""

    def __init__(self, row: Row, folder: Path) -> None:
        folder.mkdir()
        (folder / "config").write_text(CONFIG)
        self._row, self._folder = row, folder
        with (folder / "stderr").open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *row],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(SOURCE), "AWS_CONFIG_FILE": str(folder / "config")},
                stderr=stderr,
            )

    def failure(self) -> str | None:
        """End the program. Return what is wrong; None if it ends at once, and leaves no process of its command."""
        try:
            if not wait_until(lambda: (self._folder / "ready").exists() or self._process.poll() is not None):
                return f"{self._row} was not ready"
            if number := SIGNALS.get(self._row.end):
                self._process.send_signal(number)
            self._process.wait(PROMPT)
        except subprocess.TimeoutExpired:
            return f"{self._row} hangs"
        finally:
            self._process.kill()
            self._process.wait(PROMPT)
        is_running_on = not wait_until(lambda: not any(map(is_running, self._pids("pids"))))
        for child in self._pids("child"):
            os.kill(child, signal.SIGKILL)
        if is_running_on:
            return f"{self._row} leaves its command running"
        stderr = (self._folder / "stderr").read_text()
        is_interrupted = "KeyboardInterrupt" in stderr
        return None if is_interrupted or self._row.end != "SIGINT" else f"{self._row} ended otherwise: {stderr}"

    def _pids(self, name: str) -> list[int]:
        """Return the processes that the program or its command has noted in a file."""
        file = self._folder / name
        return [int(number) for number in file.read_text().split()] if file.exists() else []


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for other processes. Return whether the condition became true."""
    end = time.monotonic() + LONG
    while not (is_true := condition()) and time.monotonic() < end:
        time.sleep(0.005)
    return is_true


def is_running(process: int) -> bool:
    """Return whether a process has not ended; killed orphans are zombies until PID 1 reaps them."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def failures(rows: Sequence[Row], folder: Path) -> list[str]:
    """Return what is wrong with these programs, of which a few run at a time."""
    found: list[str | None] = []
    for start in range(0, len(rows), AT_ONCE):
        group = [Program(row, folder / str(number)) for number, row in enumerate(rows[start:][:AT_ONCE], start)]
        found += [program.failure() for program in group]
    return [failure for failure in found if failure is not None]


INTERRUPTED = [Row(*pair) for pair in product(KINDS, STATES)]
# Each kind and each state; with a name server those that resolve names in different ways.
FEW_INTERRUPTED = [
    Row("asyncio", "name server"),
    Row("asyncio until complete", "name server"),
    Row("asyncio until complete, closed", "command"),
    Row("asyncio forever", "disk"),
    Row("asyncio thread", "name server"),
    Row("uvloop", "server"),
    Row("uvloop until complete", "command"),
    Row("trio", "nothing"),
]
ENDED = [Row(*one) for one in product(("asyncio", "uvloop", "trio"), ("command", "nested"), ENDS)]
FEW_ENDED = [
    Row("asyncio", "command", "SIGKILL"),
    Row("trio", "command", "os._exit"),
    Row("uvloop", "command", "fork"),
    Row("asyncio", "nested", "SIGTERM"),
]


@pytest.mark.fault("C09", "C21", "U26", "P06")
@pytest.mark.goal("G20")
@pytest.mark.parametrize(
    "rows", [FEW_INTERRUPTED, pytest.param(INTERRUPTED, marks=pytest.mark.goal("G20", long=True))], ids=["few", "all"]
)
def test_interrupted_program_ends_at_once(rows: list[Row], tmp_path: Path, goal: RecordGoal) -> None:
    """Ctrl-C ends a program at once, whatever it waits for, and no command survives."""
    failed = failures(rows, tmp_path)
    if rows is INTERRUPTED:
        goal("G20", "{programs} programs, {hung} that hang or leave a process", programs=len(rows), hung=len(failed))
    assert failed == []


@pytest.mark.fault("P06", "P07")
@pytest.mark.goal("G10")
@pytest.mark.parametrize(
    "rows", [FEW_ENDED, pytest.param(ENDED, marks=pytest.mark.goal("G10", long=True))], ids=["few", "all"]
)
def test_command_does_not_outlive_its_program(rows: list[Row], tmp_path: Path, goal: RecordGoal) -> None:
    """A command and what it has started end with the program, even if that is killed or has forked a child."""
    failed = failures(rows, tmp_path)
    if rows is ENDED:
        goal("G10", "{ends} ends of a program, {left} with a command left", ends=len(rows), left=len(failed))
    assert failed == []
