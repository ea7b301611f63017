"""Tests that commands end within their limits, that their results are values, and that no process is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

import anyio
import pytest
import trio
from anyio.to_thread import current_default_thread_limiter

from anycreds._core.io import ProcessFailure, ProcessResult
from anycreds._system import process
from anycreds._system.process import STDERR_LIMIT, group
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401
from support.event_loops import each_loop

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs POSIX, and a look at children"),
    pytest.mark.realtime,
]

LIMIT = 64 * 1024
PYTHON = quote(sys.executable)
# Seconds, on a busy machine; usually milliseconds.
LONG = 20.0
# A command that hangs. `exec` replaces the shell, which would be another process.
HANGS = "exec sleep 300"
# One test removes it from `os`.
_waitid: Any = getattr(os, "waitid", None)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Record the process group of each command, and check that none is left when the test is over."""
    groups: list[int] = []
    real = group.start

    def start(command: str) -> subprocess.Popen[bytes]:
        process = real(command)
        groups.append(process.pid)
        return process

    monkeypatch.setattr(group, "start", start)
    yield groups
    wait_until(lambda: not any(map(is_there, groups)))
    wait_until(has_no_child)


def has_no_child() -> bool:
    """Return whether this program has no child process, and so no zombie."""
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # it is not reaped
    except ChildProcessError:
        return True
    return False


def is_there(group: int) -> bool:
    """Return whether a process group has living members; killed orphans are zombies until PID 1 reaps them."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    processes_now = [file for file in Path("/proc").iterdir() if file.name.isdecimal()]
    return sys.platform != "linux" or any(_is_living_member(file, group) for file in processes_now)


def _is_living_member(process: Path, group: int) -> bool:
    try:
        state, _, its_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:  # it has exited meanwhile
        return False
    return int(its_group) == group and state not in "ZX"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for other processes or threads."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.002)


async def result(command: str, timeout: float = LONG, limit: int = LIMIT) -> ProcessResult:  # noqa: ASYNC109
    """Run a command that exits by itself."""
    found = await SystemRuntime().open_io("test").run_process(command, timeout, limit)
    assert isinstance(found, ProcessResult), found
    return found


async def failure(command: str, timeout: float = LONG, limit: int = LIMIT) -> ProcessFailure:  # noqa: ASYNC109
    """Run a command that is ended."""
    found = await SystemRuntime().open_io("test").run_process(command, timeout, limit)
    assert isinstance(found, ProcessFailure), found
    return found


@pytest.mark.fault("P10", "S18")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "status", "name", "stdout", "stderr"),
    [
        ("echo out; echo err >&2", 0, None, b"out\n", b"err\n"),
        ("exit 3", 3, None, b"", b""),
        ("kill -KILL $$", None, "SIGKILL", b"", b""),
        ("echo out; kill -TERM $$", None, "SIGTERM", b"out\n", b""),
        ("sh -c 'kill -INT $$'; exit 130", 130, "SIGINT", b"", b""),
        ("exit 200", 200, None, b"", b""),
        ("printf '%s|' \"$0\" 'a b' | tr a A", 0, None, b"/bin/sh|A b|", b""),
    ],
)
async def test_output_and_exit_status_are_returned(
    command: str, status: int | None, name: str | None, stdout: bytes, stderr: bytes
) -> None:
    """The output and the exit status of a command are returned: exit code, signal, or the shell's code for a signal."""
    assert await result(command) == (status, name, stdout, stderr)
    assert has_no_child()


@pytest.mark.fault("P10")
@pytest.mark.anyio
@each_loop
async def test_program_that_ignores_sigchld() -> None:
    """If the program ignores SIGCHLD, so that exit codes are lost, the output is returned and a timeout still ends."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        found = await result("echo out; exit 3")
        assert found.stdout == b"out\n"
        assert (await failure(HANGS, timeout=0.1)).kind == "timeout"
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_signal_without_a_name() -> None:
    """A signal without a name in Python is reported by its number."""
    assert group.signal_name(-35) == "signal 35"
    assert group.signal_name(128 + 35) is None


def test_results_cannot_be_printed() -> None:
    """The output, which contains the secrets, is not in the repr."""
    secret = f"{CANARY}-1".encode()
    assert repr(ProcessResult(0, None, secret, b"err")) == f"ProcessResult(0, None, {len(secret)} and 3 bytes)"


@pytest.mark.fault("P04", "S19")
@pytest.mark.anyio
async def test_no_input_and_no_terminal() -> None:
    """Standard input is empty, whatever ours is, and the command has no terminal."""
    reading, writing = os.pipe()
    ours = os.dup(0)
    try:
        os.dup2(reading, 0)
        found = await result("cat; tty; (: </dev/tty) 2>/dev/null || echo no terminal")
    finally:
        os.dup2(ours, 0)
        for descriptor in (reading, writing, ours):
            os.close(descriptor)
    assert found.stdout == b"not a tty\nno terminal\n"


@pytest.mark.fault("S19")
@pytest.mark.anyio
async def test_session_of_its_own() -> None:
    """A command leads a session without a terminal, and a process group."""
    found = await result(f"{PYTHON} -c 'import os; print(os.getsid(0), os.getpgid(0))'; echo $$")
    session, group, shell = found.stdout.split()
    assert session == group == shell


@pytest.mark.fault("S19")
@pytest.mark.anyio
async def test_what_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command inherits the environment and the working directory, and no descriptors."""
    monkeypatch.setenv("ANYCREDS_TEST", "here")
    reading, writing = os.pipe()
    try:
        os.set_inheritable(reading, True)
        code = f"import os\ntry: os.fstat({reading})\nexcept OSError: print(os.environ['ANYCREDS_TEST'], os.getcwd())"
        found = await result(f"{PYTHON} -c {quote(code)}")
    finally:
        os.close(reading)
        os.close(writing)
    assert found.stdout.decode().strip() == f"here {Path.cwd()}"


@pytest.mark.fault("P08")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("true \0", "the command line cannot be passed to the shell"),
        ("true " + "x" * 3_000_000, "the shell cannot be run: Argument list too long"),
    ],
)
async def test_command_that_cannot_be_started_is_reported(command: str, detail: str) -> None:
    """A command that cannot be started is reported with the operating system's reason."""
    assert await failure(command) == ("not started", detail)


@pytest.mark.fault("P08")
@pytest.mark.anyio
async def test_missing_shell_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a shell, such as a minimal container, is reported."""

    def start(command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/nonexistent/sh", "-c", command])

    monkeypatch.setattr(group, "start", start)
    assert await failure("true") == ("not started", "the shell cannot be run: No such file or directory")


@pytest.mark.fault("P01")
@pytest.mark.anyio
@each_loop
async def test_command_that_hangs_is_ended() -> None:
    """A command that hangs is ended after its timeout."""
    before = time.monotonic()
    assert await failure(HANGS, 0.05) == ("timeout", "it did not exit within 0.05 s")
    assert 0.05 <= time.monotonic() - before < LONG
    assert has_no_child()


@pytest.mark.fault("U24")
@pytest.mark.anyio
async def test_command_that_has_exited_in_time_is_used_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of a command that exited while this program stood still is used, though its timeout has passed."""
    read = process._Output.read

    def stand_still(output: process._Output) -> None:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        later = time.monotonic() + LONG
        monkeypatch.setattr(process, "monotonic", lambda: later + time.monotonic())
        read(output)

    monkeypatch.setattr(process._Output, "read", stand_still)
    done = await result("echo output", LONG)
    assert (done.status, done.stdout) == (0, b"output\n")


@pytest.mark.anyio
async def test_command_that_closes_its_pipes_is_waited_for() -> None:
    """A command that closes its pipes is waited for, and ended after its timeout."""
    assert (await result("exec >&- 2>&-; sleep 0.05; exit 4")).status == 4
    assert (await failure("exec >&- 2>&-; sleep 300", 0.05)).kind == "timeout"


@pytest.mark.fault("P07")
@pytest.mark.anyio
@each_loop
async def test_sigterm_comes_before_sigkill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command gets SIGTERM before SIGKILL, and its pipes are read meanwhile, so that it can clean up."""
    monkeypatch.setattr(process, "SIGTERM_GRACE", LONG)
    monkeypatch.setattr(process, "CANCEL_TIMEOUT", LONG)
    (tmp_path / "files").mkdir()
    flood = "head -c 200000 /dev/zero"  # more than a pipe holds
    command = f"cd {quote(str(tmp_path))}; trap '{flood}; rmdir files; exit' TERM; sleep 300 & touch ready; wait"
    found: list[ProcessFailure] = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(stop_when, (tmp_path / "ready").exists, scope)
            found.append(await failure(command))
    assert not (tmp_path / "files").exists()


async def stop_when(condition: Callable[[], bool], scope: anyio.CancelScope) -> None:
    """Cancel the scope as soon as the condition holds."""
    while not condition():  # noqa: ASYNC110 - another process does it
        await anyio.sleep(0.002)
    scope.cancel()


@pytest.mark.fault("P07")
@pytest.mark.anyio
async def test_command_that_ignores_sigterm_is_killed() -> None:
    """A command that ignores SIGTERM is killed half a second later, with its children."""
    before = time.monotonic()
    found = await failure("trap '' TERM; sleep 300 & while :; do sleep 300; done", 0.05)
    assert found.kind == "timeout"
    assert time.monotonic() - before >= 0.55


@pytest.mark.fault("P02")
@pytest.mark.anyio
@pytest.mark.parametrize(("written", "fits"), [(1000, True), (1001, False)])
async def test_limit_of_stdout(written: int, fits: bool) -> None:
    """Output up to the limit is returned; one byte more is too large."""
    command = f"head -c {written} /dev/zero"
    if fits:
        assert (await result(command, limit=1000)).stdout == bytes(1000)
    else:
        assert await failure(command, limit=1000) == ("too large", "it wrote more than 1000 bytes")


@pytest.mark.fault("P02")
@pytest.mark.anyio
async def test_endless_stdout() -> None:
    """A command that writes endlessly is ended at its limit, long before its timeout."""
    assert (await failure("yes")).kind == "too large"


@pytest.mark.fault("P02")
@pytest.mark.anyio
async def test_much_on_stderr() -> None:
    """Standard error of any size is read, and its end is kept."""
    found = await result("head -c 5000000 /dev/zero >&2; echo end >&2; echo out")
    assert (found.status, found.stdout) == (0, b"out\n")
    assert found.stderr == bytes(STDERR_LIMIT - 4) + b"end\n"


@pytest.mark.fault("P02")
@pytest.mark.anyio
async def test_endless_stderr() -> None:
    """Endless output on standard error does not prevent the timeout."""
    assert (await failure("yes >&2", 0.05)).kind == "timeout"


@pytest.mark.fault("P05")
@pytest.mark.anyio
async def test_grandchild_on_the_pipe() -> None:
    """A process that is left behind with the pipes open does not delay the result, and is ended."""
    assert (await result("sleep 300 & echo out")).stdout == b"out\n"


@pytest.mark.fault("P05")
@pytest.mark.anyio
async def test_grandchild_without_the_pipe(started: list[int]) -> None:
    """A process that is left behind in the group with its pipes closed is ended too."""
    found = await result("sleep 300 >/dev/null 2>&1 & echo out")
    assert found.stdout == b"out\n"
    wait_until(lambda: not is_there(started[0]))


@pytest.mark.fault("P05")
@pytest.mark.anyio
async def test_output_after_the_exit() -> None:
    """What a process on the pipe writes just after the command has exited is part of the output."""
    assert (await result("(sleep 0.02; echo late) & echo early")).stdout == b"early\nlate\n"


@pytest.mark.fault("P07")
@pytest.mark.anyio
async def test_daemon_is_left_alone(tmp_path: Path) -> None:
    """A daemon with a session of its own does not delay the result, and is not ended."""
    file = tmp_path / "pid"
    code = f"import os, time; os.setsid(); open({str(file)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(300)"
    found = await result(f"{PYTHON} -c {quote(code)} & until [ -s {quote(str(file))} ]; do sleep 0.01; done; echo out")
    assert found.stdout == b"out\n"
    wait_until(lambda: file.read_text().endswith("."))
    os.kill(int(file.read_text()[:-1]), signal.SIGKILL)  # raises if it is gone


@pytest.mark.anyio
async def test_commands_run_without_waitid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``os.waitid`` (macOS before Python 3.13) commands run as elsewhere."""
    monkeypatch.delattr(os, "waitid", raising=False)
    assert await result("echo out; exit 3") == (3, None, b"out\n", b"")
    assert (await result("sleep 300 & kill -KILL $$")).signal == "SIGKILL"
    assert (await failure(HANGS, 0.05)).kind == "timeout"


@pytest.mark.anyio
async def test_process_that_cannot_be_reaped(monkeypatch: pytest.MonkeyPatch, started: list[int]) -> None:
    """A process that stays in the kernel is not waited for long, and is reaped later."""

    def has_no_effect(process: subprocess.Popen[bytes]) -> None:
        pass

    monkeypatch.setattr(group, "REAP_TIMEOUT", 0.0)
    monkeypatch.setattr(group, "kill", has_no_effect)
    monkeypatch.setattr(group, "terminate", has_no_effect)
    monkeypatch.setattr(process, "SIGTERM_GRACE", 0.0)
    with pytest.warns(ResourceWarning, match="still running"):
        await failure(HANGS, 0.05)
    os.killpg(started[0], signal.SIGKILL)
    with suppress(ChildProcessError):  # Python has reaped it already
        wait_until(lambda: _waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None)
    assert (await result("echo out")).stdout == b"out\n"


@pytest.mark.fault("P06")
@pytest.mark.anyio
@each_loop
async def test_cancelled_at_any_moment(started: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is cancelled leaves soon, at any moment, and no process is left."""
    monkeypatch.setattr(process, "CANCEL_TIMEOUT", LONG)  # it leaves earlier, because the processes end
    for moment in range(10):
        before = time.monotonic()
        with anyio.move_on_after(moment * 0.002) as scope:
            await result(f"sleep 300 & {HANGS}")
        assert scope.cancelled_caught
        assert time.monotonic() - before < process.CANCEL_TIMEOUT
        assert has_no_child()
        wait_until(lambda: not any(map(is_there, started)))
    assert started


@pytest.mark.anyio
@each_loop
async def test_cancelled_before(started: list[int]) -> None:
    """A caller that is cancelled already starts nothing."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await result(HANGS)
    assert (scope.cancelled_caught, started) == (True, [])


def test_cancelled_before_the_thread_runs(started: list[int]) -> None:
    """A command that is cancelled before its thread runs is not started."""
    cancelled = threading.Event()
    cancelled.set()
    assert isinstance(process._run(HANGS, LONG, LIMIT, cancelled), ProcessFailure)
    assert started == []


@pytest.mark.anyio
@each_loop
async def test_event_loop_runs_on() -> None:
    """The event loop runs other tasks while a command runs and is ended."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0.001)

    async with anyio.create_task_group() as group:
        group.start_soon(turn)
        await failure("yes >&2", 0.2)
        group.cancel_scope.cancel()
    assert turns > 20


@pytest.mark.anyio
@each_loop
async def test_concurrent_commands_are_independent() -> None:
    """Concurrent commands neither wait for each other nor mix their output."""
    found: dict[int, bytes] = {}

    async def one(number: int) -> None:
        found[number] = (await result(f"sleep 0.05; echo {number}")).stdout

    async with anyio.create_task_group() as group:
        for number in range(50):  # more than the threads of anyio's pool
            group.start_soon(one, number)
    assert found == {number: f"{number}\n".encode() for number in range(50)}


@pytest.mark.anyio
@each_loop
async def test_used_up_thread_pool() -> None:
    """A command runs even if the program has used up anyio's worker threads."""
    limiter = current_default_thread_limiter()
    limiter.total_tokens = 1
    async with limiter:
        assert (await result("echo out")).stdout == b"out\n"


@pytest.mark.fault("P02")
def test_memory_is_bounded() -> None:
    """Output beyond the limit is read and dropped while the command comes to its end."""
    command = group.start("head -c 5000000 /dev/zero")
    output = process._Output(command, 1000)
    while output.is_open:
        output.read()
    assert command.wait(LONG) == 0
    assert command.stdin is not None
    command.stdin.close()
    assert 1000 < len(output.stdout) <= 1000 + LIMIT


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_event_loop_in_any_thread_runs_commands(run: Callable[..., Any]) -> None:
    """An event loop in another thread than the main thread runs commands too."""
    found: list[ProcessResult] = []

    async def main() -> None:
        found.append(await result("echo out; exit 3"))
        with anyio.move_on_after(0.02):
            await result(HANGS)

    thread = threading.Thread(target=lambda: run(main) if run is trio.run else run(main()))
    thread.start()
    thread.join(LONG)
    assert found == [(3, None, b"out\n", b"")]


@pytest.mark.fault("P06")
@pytest.mark.parametrize("times", [1, 5])
def test_cancelled_asyncio_task(times: int, started: list[int]) -> None:
    """Cancelling an asyncio task, once or repeatedly, ends the command."""

    async def main() -> None:
        task = asyncio.create_task(result(HANGS))
        while not started:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        if times == 1:  # otherwise it left at once, and the thread ends the command
            wait_until(lambda: not is_there(started[0]))

    asyncio.run(main())


@pytest.mark.fault("P06")
def test_closed_coroutine_ends_its_command(started: list[int]) -> None:
    """Closing the coroutine ends its command."""

    async def main() -> None:
        work = SystemRuntime().open_io("test").run_process(HANGS, LONG, LIMIT)
        while work.send(None) is None:  # until it waits for its thread
            pass
        while not started:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)
        work.close()

    asyncio.run(main())
    wait_until(lambda: not is_there(started[0]))


_FIRST_PROCESS = """
import anyio, ctypes, os
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans become children of this process
from anycreds._system.runtime import SystemRuntime
async def main():
    io = SystemRuntime().open_io("test")
    print(*(await io.run_process("sh -c 'sleep 300 & sleep 300' & echo out", 20, 100)))
    print(*(await io.run_process("sh -c 'sleep 300 & sleep 300' & sleep 300", 0.05, 100)))
anyio.run(main)
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets any process take the orphans")
def test_pid_1_of_a_container() -> None:
    """A program that adopts orphans, as PID 1 of a container, is left with no zombies."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_PROCESS], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == [
        "0 None b'out\\n' b''",
        "timeout it did not exit within 0.05 s",
        "no child",
    ]
