"""Processes, real ones: what they give is told as a value, and when that is told nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import anyio
import pytest
import trio
from anyio.to_thread import current_default_thread_limiter

from anycreds._core.io import ProcessFailure, ProcessResult
from anycreds._system import process
from anycreds._system.io import SystemRuntime
from anycreds._system.process import STDERR_LIMIT, group
from anycreds.testing import CANARY

pytestmark = pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs POSIX, and a look at children")

LIMIT = 64 * 1024
PYTHON = quote(sys.executable)
# Nothing here needs longer than a blink; a slow machine may take this.
LONG = 20.0
# A process that only waits to be ended. exec: without it a shell stays beside it.
HANGS = "exec sleep 300"
# One test takes it away from the library.
_waitid: Any = getattr(os, "waitid", None)


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Know the group of each process that is started, and find nothing of it when the test is over."""
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
    """Tell whether this program has no child, so no zombie either."""
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # a look only: it belongs to somebody
    except ChildProcessError:
        return True
    return False


def is_there(group: int) -> bool:
    """Tell whether a group has living members. Killed orphans are zombies until the machine's first process cares."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    processes_now = [file for file in Path("/proc").iterdir() if file.name.isdecimal()]
    return sys.platform != "linux" or any(_is_living_member(file, group) for file in processes_now)


def _is_living_member(process: Path, group: int) -> bool:
    try:
        state, _, its_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
    except OSError:  # it has gone meanwhile
        return False
    return int(its_group) == group and state not in "ZX"


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes or threads are about to do."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


async def result(command: str, timeout: float = LONG, limit: int = LIMIT) -> ProcessResult:  # noqa: ASYNC109
    """Run what is to come to its own end."""
    found = await SystemRuntime().open_io("test").run_process(command, timeout, limit)
    assert isinstance(found, ProcessResult), found
    return found


async def failure(command: str, timeout: float = LONG, limit: int = LIMIT) -> ProcessFailure:  # noqa: ASYNC109
    """Run what is to be ended."""
    found = await SystemRuntime().open_io("test").run_process(command, timeout, limit)
    assert isinstance(found, ProcessFailure), found
    return found


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
async def test_result(command: str, status: int | None, name: str | None, stdout: bytes, stderr: bytes) -> None:
    """What a shell command writes and how it ends is told: exit code, signal, or a shell's word for a signal."""
    assert await result(command) == (status, name, stdout, stderr)
    assert has_no_child()


def test_signal_without_a_name() -> None:
    """A signal that Python has no name for has its number."""
    assert group.signal_name(-35) == "signal 35"
    assert group.signal_name(128 + 35) is None


def test_results_cannot_be_printed() -> None:
    """The output, which holds the secrets, is in no repr."""
    secret = f"{CANARY}-1".encode()
    assert repr(ProcessResult(0, None, secret, b"err")) == f"ProcessResult(0, None, {len(secret)} and 3 bytes)"


@pytest.mark.anyio
async def test_nothing_to_read_and_nobody_to_ask() -> None:
    """Standard input is at its end at once, whatever ours is, and there is no terminal to ask on (P04)."""
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


@pytest.mark.anyio
async def test_session_of_its_own() -> None:
    """A command leads a session, which has no terminal, and a process group."""
    found = await result(f"{PYTHON} -c 'import os; print(os.getsid(0), os.getpgid(0))'; echo $$")
    session, group, shell = found.stdout.split()
    assert session == group == shell


@pytest.mark.anyio
async def test_what_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has the environment and the directory of this program, and none of its descriptors (S19)."""
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


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "detail"),
    [
        ("true \0", "the command line cannot be passed to the shell"),
        ("true " + "x" * 3_000_000, "the shell cannot be run: Argument list too long"),
    ],
)
async def test_not_started(command: str, detail: str) -> None:
    """What cannot even be started is told in the words of the system (P08)."""
    assert await failure(command) == ("not started", detail)


@pytest.mark.anyio
async def test_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a shell, such as a bare container, is told of."""

    def start(command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["/nonexistent/sh", "-c", command])

    monkeypatch.setattr(group, "start", start)
    assert await failure("true") == ("not started", "the shell cannot be run: No such file or directory")


@pytest.mark.anyio
async def test_timeout() -> None:
    """A command that hangs is ended after its time (P01)."""
    before = time.monotonic()
    assert await failure(HANGS, 0.05) == ("timeout", "it did not exit within 0.05 s")
    assert 0.05 <= time.monotonic() - before < LONG
    assert has_no_child()


@pytest.mark.anyio
async def test_closed_pipes_are_no_end() -> None:
    """A command that closes its pipes is waited for all the same, and ended after its time."""
    assert (await result("exec >&- 2>&-; sleep 0.05; exit 4")).status == 4
    assert (await failure("exec >&- 2>&-; sleep 300", 0.05)).kind == "timeout"


@pytest.mark.anyio
async def test_ended_politely_first(tmp_path: Path) -> None:
    """A command is asked to end before it is killed, with its pipes still read, so that it can clean up."""
    (tmp_path / "files").mkdir()
    flood = "head -c 200000 /dev/zero"  # more than a pipe holds
    command = f"cd {quote(str(tmp_path))}; trap '{flood}; rmdir files; exit' TERM; touch ready; sleep 300"
    found: list[ProcessFailure] = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(stop_when, (tmp_path / "ready").exists, scope)
            found.append(await failure(command))
    assert not (tmp_path / "files").exists()


async def stop_when(condition: Callable[[], bool], scope: anyio.CancelScope) -> None:
    """Cancel as soon as something is so."""
    while not condition():  # noqa: ASYNC110 - another process does it
        await anyio.sleep(0.002)
    scope.cancel()


@pytest.mark.anyio
async def test_killed_in_the_end() -> None:
    """A command that does not listen to SIGTERM is killed half a second later, with its children (P07)."""
    before = time.monotonic()
    found = await failure("trap '' TERM; sleep 300 & while :; do sleep 300; done", 0.05)
    assert found.kind == "timeout"
    assert time.monotonic() - before >= 0.55


@pytest.mark.anyio
@pytest.mark.parametrize(("written", "fits"), [(1000, True), (1001, False)])
async def test_limit_of_stdout(written: int, fits: bool) -> None:
    """As many bytes as are allowed are taken; one more is too many (P02)."""
    command = f"head -c {written} /dev/zero"
    if fits:
        assert (await result(command, limit=1000)).stdout == bytes(1000)
    else:
        assert await failure(command, limit=1000) == ("too large", "it wrote more than 1000 bytes")


@pytest.mark.anyio
async def test_endless_stdout() -> None:
    """A command that writes for ever is ended at its limit, long before its time (P02)."""
    assert (await failure("yes")).kind == "too large"


@pytest.mark.anyio
async def test_much_on_stderr() -> None:
    """Standard error is taken, however much it is, and its end is kept (P02)."""
    found = await result("head -c 5000000 /dev/zero >&2; echo end >&2; echo out")
    assert (found.status, found.stdout) == (0, b"out\n")
    assert found.stderr == bytes(STDERR_LIMIT - 4) + b"end\n"


@pytest.mark.anyio
async def test_endless_stderr() -> None:
    """A flood on standard error does not keep the time from passing (P02)."""
    assert (await failure("yes >&2", 0.05)).kind == "timeout"


@pytest.mark.anyio
async def test_grandchild_on_the_pipe() -> None:
    """A process that is left behind on the pipes does not hold the answer, and is ended (P05)."""
    assert (await result("sleep 300 & echo out")).stdout == b"out\n"


@pytest.mark.anyio
async def test_grandchild_without_the_pipe(started: list[int]) -> None:
    """A process that is left behind in the group is ended too; the answer waits for nothing then."""
    found = await result("sleep 300 >/dev/null 2>&1 & echo out")
    assert found.stdout == b"out\n"
    wait_until(lambda: not is_there(started[0]))


@pytest.mark.anyio
async def test_last_words_count() -> None:
    """What a process on the pipe writes just after the command is over belongs to the answer."""
    assert (await result("(sleep 0.02; echo late) & echo early")).stdout == b"early\nlate\n"


@pytest.mark.anyio
async def test_daemon(tmp_path: Path) -> None:
    """A daemon that has left for a session of its own holds no answer, and is out of reach (P07)."""
    file = tmp_path / "pid"
    code = f"import os, time; os.setsid(); open({str(file)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(300)"
    found = await result(f"{PYTHON} -c {quote(code)} & until [ -s {quote(str(file))} ]; do sleep 0.01; done; echo out")
    assert found.stdout == b"out\n"
    wait_until(lambda: file.read_text().endswith("."))
    os.kill(int(file.read_text()[:-1]), signal.SIGKILL)  # it is there, or this would raise


@pytest.mark.anyio
async def test_without_waitid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system offers no look at a child without taking it (macOS, Python 3.11), all is as elsewhere."""
    monkeypatch.delattr(os, "waitid", raising=False)
    assert await result("echo out; exit 3") == (3, None, b"out\n", b"")
    assert (await result("sleep 300 & kill -KILL $$")).signal == "SIGKILL"
    assert (await failure(HANGS, 0.05)).kind == "timeout"


@pytest.mark.anyio
async def test_process_that_cannot_be_reaped(monkeypatch: pytest.MonkeyPatch, started: list[int]) -> None:
    """A process that the kernel holds back is not waited for long, and is taken when the next one is started."""

    def has_no_effect(process: subprocess.Popen[bytes]) -> None:
        pass

    monkeypatch.setattr(group, "REAP_TIMEOUT", 0.0)
    monkeypatch.setattr(group, "kill", has_no_effect)
    monkeypatch.setattr(group, "terminate", has_no_effect)
    monkeypatch.setattr(process, "SIGTERM_GRACE", 0.0)
    with pytest.warns(ResourceWarning, match="still running"):
        await failure(HANGS, 0.05)
    os.killpg(started[0], signal.SIGKILL)
    wait_until(lambda: _waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None)
    assert (await result("echo out")).stdout == b"out\n"


@pytest.mark.anyio
async def test_cancelled_at_any_moment(started: list[int]) -> None:
    """Whenever a caller is cancelled, it leaves soon, and nothing is left (P06)."""
    for moment in range(30):
        before = time.monotonic()
        with anyio.move_on_after(moment * 0.0007) as scope:
            await result(f"sleep 300 & {HANGS}")
        assert scope.cancelled_caught
        assert time.monotonic() - before < process.CANCEL_TIMEOUT
        assert has_no_child()
        wait_until(lambda: not any(map(is_there, started)))
    assert started


@pytest.mark.anyio
async def test_cancelled_before(started: list[int]) -> None:
    """Who is cancelled already starts nothing."""
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
async def test_event_loop_runs_on() -> None:
    """While a command runs, floods and is ended, the event loop does other things."""
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
async def test_many_at_once() -> None:
    """Commands that run at the same time do not wait for each other or take each other's output."""
    found: dict[int, bytes] = {}

    async def one(number: int) -> None:
        found[number] = (await result(f"sleep 0.05; echo {number}")).stdout

    async with anyio.create_task_group() as group:
        for number in range(50):  # more than the threads that anyio allows to all others together
            group.start_soon(one, number)
    assert found == {number: f"{number}\n".encode() for number in range(50)}


@pytest.mark.anyio
async def test_program_that_uses_all_its_threads() -> None:
    """Where the program has used up the threads that anyio allows, a command has one all the same."""
    limiter = current_default_thread_limiter()
    limiter.total_tokens = 1
    async with limiter:
        assert (await result("echo out")).stdout == b"out\n"


def test_memory_is_bounded() -> None:
    """Output beyond the limit is read and dropped while the command comes to its end."""
    command = group.start("head -c 5000000 /dev/zero")
    output = process._Output(command, 1000)
    while output.is_open:
        output.read()
    assert command.wait(LONG) == 0
    assert 1000 < len(output.stdout) <= 1000 + LIMIT


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_any_thread(run: Callable[..., Any]) -> None:
    """An event loop in another thread than the first runs commands too."""
    found: list[ProcessResult] = []

    async def main() -> None:
        found.append(await result("echo out; exit 3"))
        with anyio.move_on_after(0.02):
            await result(HANGS)

    thread = threading.Thread(target=lambda: run(main) if run is trio.run else run(main()))
    thread.start()
    thread.join(LONG)
    assert found == [(3, None, b"out\n", b"")]


@pytest.mark.parametrize("times", [1, 5])
def test_task_of_asyncio_that_is_cancelled(times: int, started: list[int]) -> None:
    """Asyncio's own cancellation, once or again and again, ends the command as well."""

    async def main() -> None:
        task = asyncio.create_task(result(HANGS))
        while not started:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        if times == 1:  # else it has left at once, and the thread ends the command
            assert not is_there(started[0])

    asyncio.run(main())


def test_coroutine_that_is_closed(started: list[int]) -> None:
    """A coroutine that is dropped in the middle, where nobody can wait, still ends its command."""

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
from anycreds._system.io import SystemRuntime
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
def test_first_process_of_a_container() -> None:
    """A program that is its container's first process, which orphans fall to, has no zombies of our making."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_PROCESS], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.splitlines() == [
        "0 None b'out\\n' b''",
        "timeout it did not exit within 0.05 s",
        "no child",
    ]
