"""Tests that only one task, thread or process at a time holds the lock on a path."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from anycreds._core.io import WriteFailure
from anycreds._system.files import lock as lock_module
from anycreds._system.files import lock_holder
from anycreds._system.files.lock_holder import describe_holder
from anycreds._system.runtime import SystemRuntime
from support.coroutine_stepper import reaches_step
from support.event_loops import each_loop

fcntl = pytest.importorskip("fcntl", reason="Windows locks files in another way")
pytestmark = [pytest.mark.anyio, pytest.mark.realtime]

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
each_asyncio_loop = pytest.mark.parametrize(
    "new_loop",
    [
        asyncio.new_event_loop,
        pytest.param(lambda: pytest.importorskip("uvloop").new_event_loop(), id="uvloop"),
    ],
)
LONG = 20.0  # seconds, on a busy machine; usually milliseconds
SHORT = 0.02
OWN_FILES = Path("/proc/self/fd")
IS_LISTED = OWN_FILES.exists()
FORK = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@asynccontextmanager
async def locked(path: Path | str, seconds: float = LONG) -> AsyncIterator[WriteFailure | None]:
    """Take a lock as a provider does."""
    async with SystemRuntime().open_io("test") as io, io.file_lock(str(path), seconds) as failure:
        yield failure


async def is_free(path: Path) -> bool:
    """Return whether a lock can be taken at once."""
    async with locked(path, 0) as failure:
        assert failure is None or failure.is_busy
        return failure is None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a" / "b" / "token.json"


async def test_lock_is_a_private_file_beside_the_path(path: Path) -> None:
    """The lock is an empty file beside the path, private like the directories created for it, and it stays."""
    for _ in range(2):
        async with locked(path) as failure:
            assert failure is None
            assert not await is_free(path)
        assert await is_free(path)
    lock = path.with_name("token.json.lock")
    assert list(path.parent.iterdir()) == [lock]
    assert lock.stat().st_size == 0
    if sys.platform != "win32":
        assert [stat.S_IMODE(one.stat().st_mode) for one in (lock, path.parent, path.parent.parent)] == [
            0o600,
            0o700,
            0o700,
        ]


async def test_other_paths_are_other_locks(path: Path) -> None:
    """Locks on two paths can be held at once."""
    async with locked(path) as one, locked(path.with_name("other")) as other:
        assert (one, other) == (None, None)


@pytest.mark.fault("L17")
@each_loop
async def test_lock_that_stays_busy(path: Path) -> None:
    """If the lock stays busy for the time given, that is reported, and the body runs."""
    has_run = False
    async with locked(path):
        started = anyio.current_time()
        async with locked(path, SHORT) as failure:
            has_run = True
            holder = "another task of this process" if sys.platform == "linux" else "another process or task"
            assert failure == WriteFailure(f"has been locked by {holder} for more than 0.02 s", is_busy=True)
            assert anyio.current_time() - started > SHORT - 0.0015  # the clock of uvloop counts milliseconds
        assert not await is_free(path)  # the lock of the other task is still held
    assert has_run


async def test_delays_between_attempts_grow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow after 5, 10 … 100 ms, each shortened at random, and at the end of the time."""
    pauses: list[float] = []
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        pauses.append(round(seconds, 6))
        now += seconds

    async with locked(path):
        waiting = lock_module.FileLock(str(path), 0.5, lambda: 0.5)
        with monkeypatch.context() as patch:
            patch.setattr(anyio, "sleep", sleep)
            patch.setattr(anyio, "current_time", lambda: now)
            patch.setattr(lock_module, "TimeLimit", lambda _: anyio.CancelScope())
            async with waiting as failure:
                assert failure is not None
    assert pauses[:7] == [0.00375, 0.0075, 0.015, 0.03, 0.06, 0.075, 0.075]
    assert sum(pauses) == pytest.approx(0.5)


@each_loop
async def test_one_task_at_a_time(path: Path) -> None:
    """Each of several tasks gets the lock, and never two at once."""
    inside = most = turns = 0

    async def take() -> None:
        nonlocal inside, most, turns
        async with locked(path) as failure:
            assert failure is None
            inside += 1
            turns += 1
            most = max(most, inside)
            await anyio.sleep(0.001)
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(take)
    assert (turns, most) == (8, 1)


def start(program: str, argument: str) -> subprocess.Popen[bytes]:
    """Start a Python program in a new process."""
    return subprocess.Popen([sys.executable, "-c", program, argument], stdout=subprocess.PIPE)


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(60)
"""
COUNT = """
import sys, anyio
from anycreds._system.runtime import SystemRuntime

async def main(path, times):
    for _ in range(times):
        async with SystemRuntime().open_io("test") as io, io.file_lock(path, 60) as failure:
            assert failure is None
            found = await io.read_file(path, 99)
            await io.write_private(path, b"%d" % (int(found) + 1 if isinstance(found, bytes) else 1))
"""


@pytest.mark.fault("S14")
@each_loop
async def test_processes_and_threads_exclude_each_other(path: Path, anyio_backend: tuple[str, dict[str, Any]]) -> None:
    """Two processes and two threads that increment a number in a file lose no increment."""
    program = f"{COUNT}\nanyio.run(main, sys.argv[1], 10, backend={anyio_backend[0]!r})"
    names: dict[str, Any] = {}
    exec(COUNT, names)

    def count_here() -> None:
        anyio.run(names["main"], str(path), 10, backend=anyio_backend[0])

    children = [start(program, str(path)) for _ in range(2)]
    threads = [threading.Thread(target=count_here) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await anyio.to_thread.run_sync(thread.join)
    for child in children:
        await anyio.to_thread.run_sync(child.communicate)
    assert [child.returncode for child in children] == [0, 0]
    assert await anyio.Path(path).read_bytes() == b"40"
    assert {one.name for one in path.parent.iterdir()} == {"token.json", "token.json.lock"}


@POSIX
async def test_killed_process_releases_its_lock(path: Path) -> None:
    """The lock of a killed process is free."""
    path.parent.mkdir(parents=True)
    with start(HOLDER, f"{path}.lock") as child:
        assert child.stdout is not None
        assert await anyio.to_thread.run_sync(child.stdout.readline) == b"locked\n"
        async with locked(path, SHORT) as failure:
            assert failure is not None
            assert failure.is_busy
        child.kill()
        async with locked(path) as failure:
            assert failure is None


@pytest.mark.fault("L17")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the holders of locks")
async def test_holder_is_named(path: Path) -> None:
    """A task that waits without success is given the process that holds the lock, and that it is suspended."""
    path.parent.mkdir(parents=True)
    with start(HOLDER, f"{path}.lock") as child:
        assert child.stdout is not None
        assert await anyio.to_thread.run_sync(child.stdout.readline) == b"locked\n"
        assert describe_holder(f"{path}.lock") == f"process {child.pid}"
        child.send_signal(signal.SIGSTOP)
        await until(lambda: describe_holder(f"{path}.lock").endswith("suspended,"))
        async with locked(path, SHORT) as failure:
            reason = f"has been locked by process {child.pid}, which is suspended, for more than 0.02 s"
            assert failure == WriteFailure(reason, is_busy=True)
        child.kill()
    assert describe_holder(f"{path}.lock") == "another process or task"
    assert describe_holder(str(path)) == "another process or task"


@pytest.mark.fault("L17")
@pytest.mark.parametrize(
    "content", [None, "", "1: FLOCK ADVISORY WRITE 0 {file} 0 EOF", "1: FLOCK\n2: POSIX ADVISORY WRITE 7 {file} 0 EOF"]
)
async def test_holder_that_is_not_known(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not list locks, or not this one's process, the holder stays unnamed."""
    listed = tmp_path / "locks"
    monkeypatch.setattr(lock_holder, "_LOCKS", str(listed))
    if content is not None:
        listed.write_text(content.format(file=lock_holder.file_number(str(tmp_path))))
    assert describe_holder(str(tmp_path)) == "another process or task"


class BrokenError(Exception):
    """Raised in the body of a lock."""


@each_loop
async def test_lock_is_released_on_leaving(path: Path) -> None:
    """However the body ends, the lock is free at once, without a step of the event loop."""
    with pytest.raises(BrokenError):
        async with locked(path):
            raise BrokenError
    assert await is_free(path)
    with anyio.CancelScope() as scope:
        async with locked(path):
            scope.cancel()
            await anyio.sleep(LONG)
    assert scope.cancelled_caught
    assert await is_free(path)
    lock = lock_module.FileLock(str(path), 0, lambda: 0.0)
    assert await lock.__aenter__() is None
    with pytest.raises(StopIteration):  # it returns at its first step, without waiting
        lock.__aexit__(None, None, None).send(None)
    assert await is_free(path)


@each_loop
@pytest.mark.parametrize("is_busy", [False, True], ids=["free", "busy"])
async def test_caller_cancelled_at_any_step_takes_no_lock(is_busy: bool, path: Path) -> None:
    """At whatever step a caller is cancelled, the lock is not taken and no descriptor is left open."""

    async def take() -> None:
        async with locked(path):
            pass

    for cancel_at in range(10):
        async with AsyncExitStack() as stack:
            if is_busy:
                await stack.enter_async_context(locked(path))
                stack.enter_context(anyio.move_on_after(0.05))
            await reaches_step(take(), cancel_at)
        async with locked(path) as failure:  # a thread may still release it
            assert failure is None, cancel_at


@pytest.mark.fault("L17", "C06")
@pytest.mark.parametrize("is_closed", [False, True], ids=["stopped", "closed"])
@each_asyncio_loop
def test_lock_of_a_loop_that_does_not_run_on(
    new_loop: Callable[[], asyncio.AbstractEventLoop], is_closed: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is taken in the moment in which its event loop is closed or stopped is released soon."""
    monkeypatch.setattr(lock_module, "TAKE_TIMEOUT", SHORT)
    loop = new_loop()
    lock = lock_module.FileLock(str(path), LONG, lambda: 0.0)
    waiting = lock._try_once()
    task = loop.create_task(waiting)
    while lock._attempt is None:
        loop.call_soon(loop.stop)
        loop.run_forever()
    while lock._attempt._lock is None and not lock._attempt._is_decided.is_set():
        time.sleep(0.0005)
    if is_closed:
        loop.close()
    assert anyio.run(is_soon_free, path)
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    waiting.close()
    loop.close()


async def is_soon_free(path: Path) -> bool:
    """Return whether a lock can be taken after a moment."""
    async with locked(path) as failure:
        return failure is None


@each_loop
async def test_lock_that_is_taken_late(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that stands still until its lock was released waits for the lock again."""
    attempts: list[lock_module._LockAttempt] = []
    take = lock_module._LockAttempt.take

    def late(attempt: lock_module._LockAttempt) -> bool:
        attempts.append(attempt)
        if len(attempts) == 1:
            attempt.release()
        return take(attempt)

    monkeypatch.setattr(lock_module._LockAttempt, "take", late)
    async with locked(path) as failure:
        assert failure is None
        assert len(attempts) == 2
        assert not await is_free(path)


@contextmanager
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make locking a file hang, as on a network drive. The values: an attempt has started; let it continue."""
    started, free = threading.Event(), threading.Event()
    real = fcntl.flock

    def hang(descriptor: int, operation: int) -> None:
        if operation != fcntl.LOCK_UN:
            started.set()
            assert free.wait(10)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", hang)
    try:
        yield started, free
    finally:
        free.set()


def holding(path: Path) -> list[int]:
    """Return the descriptors of this process that are open on a path's lock."""
    return [int(one.name) for one in OWN_FILES.iterdir() if os.path.realpath(one) == f"{path}.lock"]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(LONG):
        while not condition():  # noqa: ASYNC110 - a thread makes it true
            await anyio.sleep(0.001)


@pytest.mark.fault("L17")
@each_loop
async def test_hung_disk_blocks_no_other_task(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs blocks neither the event loop nor a cancelled caller, and is reported when the time is over."""
    with monkeypatch.context() as patch, hung_disk(patch) as (started, _):
        patch.setattr(lock_module, "DISK_TIMEOUT", SHORT)
        async with anyio.create_task_group() as tasks:
            lock = lock_module.FileLock(str(path), LONG, lambda: 0.0)  # the garbage collector would release it, too

            async def take() -> None:
                async with lock:
                    raise AssertionError

            tasks.start_soon(take)
            await until(started.is_set)
            tasks.cancel_scope.cancel()
        if IS_LISTED:
            assert len(holding(path)) == 1  # it must not be closed while the thread uses it
        async with locked(path, SHORT) as failure:
            assert failure == WriteFailure("cannot be locked: the disk did not respond within 0.02 s")
    async with locked(path) as failure:  # both threads have released what they locked
        assert failure is None


@each_loop
async def test_first_attempt_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even with no time to wait, the first attempt is made and waited for."""
    async with anyio.create_task_group() as tasks:
        with hung_disk(monkeypatch) as (started, free):

            async def take() -> None:
                async with locked(path, 0) as failure:
                    assert failure is None

            tasks.start_soon(take)
            await until(started.is_set)
            await anyio.sleep(0.01)
            free.set()


@pytest.mark.fault("L06")
@POSIX
async def test_path_that_cannot_be_locked_is_reported(path: Path) -> None:
    """A link, a FIFO, a directory and invalid paths are reported, and nothing is created through them."""
    path.parent.mkdir(parents=True)
    victim = path.with_name("victim")
    (path.parent / "link.lock").symlink_to(victim)
    os.mkfifo(path.parent / "fifo.lock")
    (path.parent / "folder.lock").mkdir()
    (path.parent / "file").write_bytes(b"")
    for name, reason in (
        ("link", "cannot be locked: link.lock is not a regular file"),
        ("fifo", "cannot be locked: fifo.lock is not a regular file"),
        ("folder", "cannot be locked: folder.lock is not a regular file"),
        ("file/below", f"cannot be locked: {os.strerror(errno.ENOTDIR)}"),
        ("x" * 255, f"cannot be locked: {os.strerror(errno.ENAMETOOLONG)}"),
        ("nul\0nul", "is not a valid path"),
        ("\ud800", "is not a valid path"),
    ):
        async with locked(f"{path.parent}/{name}") as failure:
            assert failure == WriteFailure(reason)
    assert not victim.exists()


@POSIX
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EMFILE])
async def test_operating_system_error_is_reported(code: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the operating system, such as a read-only disk, is reported, and the body runs."""
    real = os.open

    def fail(one: Any, *args: Any) -> int:
        if str(one).endswith(".lock"):
            raise OSError(code, "text that is not used")
        return real(one, *args)

    monkeypatch.setattr(os, "open", fail)
    async with locked(path) as failure:
        assert failure == WriteFailure(f"cannot be locked: {os.strerror(code)}")


@pytest.mark.fault("L17")
@POSIX
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
async def test_file_system_without_locks(code: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks is reported as such, not as busy; no weaker kind of lock replaces it."""

    def fail(descriptor: int, operation: int) -> None:
        raise OSError(code, "text that is not used")

    monkeypatch.setattr(fcntl, "flock", fail)
    async with locked(path) as failure:
        assert failure == WriteFailure(f"cannot be locked: {os.strerror(code)}")


@POSIX
@pytest.mark.parametrize("is_replaced", [True, False], ids=["replaced", "removed"])
async def test_lock_file_that_was_removed_does_not_count(
    is_replaced: bool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on a file that was just removed does not count: the file that has the name now is locked."""
    real = fcntl.flock
    lock = Path(f"{path}.lock")
    attempts = 0

    def late(descriptor: int, operation: int) -> None:
        nonlocal attempts
        attempts += operation != fcntl.LOCK_UN
        if attempts == 1 and lock.stat().st_ino == os.fstat(descriptor).st_ino:
            lock.unlink()
            if is_replaced:
                lock.touch()
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", late)
        async with locked(path) as failure:
            assert failure is None
            assert attempts == 2
            assert not await is_free(path)
    assert await is_free(path)


@pytest.mark.fault("C07")
@pytest.mark.skipif(not hasattr(os, "fork") or not IS_LISTED, reason="there is no fork here")
@FORK
async def test_forked_child_does_not_hold_the_lock(path: Path) -> None:
    """A child process that is forked while the lock is held closes it, and does not release it for its parent."""
    async with locked(path) as failure:
        assert failure is None
        assert len(holding(path)) == 1
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the test runner has its own handler
            signal.alarm(20)
            os._exit(len(holding(path)))
        _, status = await anyio.to_thread.run_sync(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert not await is_free(path)
    assert await is_free(path)


@pytest.mark.fault("C07")
@FORK
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
async def test_forked_child_does_not_release_the_lock(path: Path) -> None:
    """A child process that leaves the block does not release its parent's lock."""
    lock = lock_module.FileLock(str(path), LONG, lambda: 0.0)
    assert await lock.__aenter__() is None
    child = os.fork()
    if child == 0:
        status = 1
        try:
            lock.__aexit__(None, None, None).send(None)
        except StopIteration:
            status = 0
        finally:
            os._exit(status)
    _, ended = await anyio.to_thread.run_sync(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    assert not await is_free(path)
    await lock.__aexit__(None, None, None)
    assert await is_free(path)


def descriptor_of(lock: lock_module.FileLock) -> int:
    """Return the descriptor by which a lock is held."""
    assert lock._attempt is not None
    assert lock._attempt._lock is not None
    descriptor = lock._attempt._lock._context.lock_file_fd
    assert descriptor is not None
    return descriptor


async def test_release_counts_for_copies(path: Path) -> None:
    """A copy of the descriptor, as in a process forked in this moment, does not keep the lock."""
    lock = lock_module.FileLock(str(path), LONG, lambda: 0.0)
    async with lock:
        copy = os.dup(descriptor_of(lock))
    try:
        assert await is_free(path)
    finally:
        os.close(copy)


async def test_descriptor_is_not_inherited(path: Path) -> None:
    """A program that is started while the lock is held does not inherit it."""
    lock = lock_module.FileLock(str(path), LONG, lambda: 0.0)
    async with lock:
        assert not os.get_inheritable(descriptor_of(lock))
