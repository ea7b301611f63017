"""Tests that a private file is replaced as a whole or not at all, whatever is at its path and when a caller leaves."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from anycreds._core.io import PrivateFile, Signature, WriteFailure
from anycreds._system.files import atomic_write
from anycreds._system.files.read import read_status
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY
from support.coroutine_stepper import reaches_step
from support.event_loops import each_loop

pytestmark = [pytest.mark.anyio, pytest.mark.realtime]

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
OLD, NEW = f"{CANARY}-old".encode(), f"{CANARY}-new".encode() * 999


async def write(path: Path | str, content: bytes = NEW, replaces: Signature | None = None) -> WriteFailure | None:
    """Write a file as a provider does."""
    async with SystemRuntime().open_io("test") as io:
        return await io.write_private(str(path), content, replaces)


async def signature(path: Path) -> Signature:
    """Return the version of a file, as a provider reads it."""
    async with SystemRuntime().open_io("test") as io:
        found = await io.read_private(str(path), 100_000)
    assert isinstance(found, PrivateFile)
    return found.signature


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def kind(path: Path) -> int:
    return stat.S_IFMT(path.lstat().st_mode)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("content", [b"", b"\x00", NEW], ids=["nothing", "a byte", "much"])
async def test_new_file_is_created(content: bytes, tmp_path: Path) -> None:
    """A missing file is created, and no temporary file is left beside it."""
    assert await write(tmp_path / "file", content) is None
    assert (tmp_path / "file").read_bytes() == content
    assert names(tmp_path) == {"file"}


@pytest.mark.fault("S12")
@POSIX
@pytest.mark.parametrize("mask", [0, 0o022, 0o777])
async def test_new_file_is_private(mask: int, tmp_path: Path) -> None:
    """New files and directories are for their owner only, whatever the umask; existing directories stay as they are."""
    before = mode(tmp_path)
    folder = tmp_path / "a" / "b"
    with umask(mask if mask != 0o777 else 0o077):
        assert await write(folder / "c" / "one") is None
    with umask(mask):
        assert await write(folder / "two") is None
    assert [mode(path) for path in (folder / "c" / "one", folder / "two")] == [0o600, 0o600]
    assert [mode(path) for path in (folder / "c", folder, folder.parent, tmp_path)] == [0o700] * 3 + [before]


@pytest.mark.fault("S12")
@POSIX
@pytest.mark.parametrize("before", [0o666, 0o644, 0o640, 0o600, 0o400])
async def test_replaced_file_is_private(before: int, tmp_path: Path) -> None:
    """A replaced file is for its owner only, whatever its permissions were; a read-only file is replaced too."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(before)
    assert await write(path) is None
    assert (path.read_bytes(), mode(path)) == (NEW, 0o600)


@pytest.mark.fault("S12", "S13")
@POSIX
async def test_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file is private from its creation, and has a random name at which no link can be prepared."""
    opened: list[tuple[str, int, int]] = []
    real = os.open

    def watch(path: Any, flags: int, *args: Any) -> int:
        descriptor = real(path, flags, *args)
        if str(path).startswith(str(tmp_path)):
            opened.append((path, flags, stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return descriptor

    monkeypatch.setattr(os, "open", watch)
    with umask(0):
        assert await write(tmp_path / "file") is None
        assert await write(tmp_path / "file") is None
    (one, flags, bits), (other, _, _) = opened
    assert one != other
    assert Path(one).parent == tmp_path
    assert len(Path(one).name) > 16
    assert bits == 0o600
    assert flags & os.O_EXCL
    assert flags & os.O_NOFOLLOW


@ROOT
async def test_owner_is_kept(tmp_path: Path) -> None:
    """A file that root replaces still belongs to the same group."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    os.chown(path, -1, 8765)
    assert await write(path, NEW, await signature(path)) is None
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (os.geteuid(), 8765, 0o600)


@ROOT
async def test_owner_of_an_unknown_version(tmp_path: Path) -> None:
    """A file that root replaces without having read it does not go to its owner."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    os.chown(path, 4321, 8765)
    assert await write(path) is None
    status = path.stat()
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


async def test_version_that_was_read_is_replaced(tmp_path: Path) -> None:
    """A file that is the version that the caller has read is replaced, through a link too."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    assert await write(path, NEW, await signature(path)) is None
    (tmp_path / "link").symlink_to("file")
    assert await write(tmp_path / "link", OLD, await signature(tmp_path / "link")) is None
    assert path.read_bytes() == OLD


@pytest.mark.fault("L06", "S13")
@pytest.mark.parametrize("change", ["deleted", "replaced", "rewritten", "linked", "given away"])
@pytest.mark.parametrize("moment", ["before", "during"])
async def test_version_that_has_changed_is_not_replaced(
    change: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that has changed since it was read, until the last moment, stays; a link laid there is not followed."""
    path, victim = tmp_path / "file", tmp_path / "victim"
    path.write_bytes(OLD)
    victim.write_bytes(b"of the victim")
    version = await signature(path)

    def make_change() -> None:
        if change == "rewritten":
            path.write_bytes(b"other")
            return
        if change == "given away":
            path.chmod(0o640)  # as chown does, it changes the time of the status
            return
        path.unlink()
        if change == "linked":
            path.symlink_to(victim)
        elif change == "replaced":
            path.write_bytes(OLD)

    if moment == "before":
        make_change()
    else:
        monkeypatch.setattr(os, "fsync", lambda _: make_change())
    failure = await write(path, NEW, version)
    assert failure == WriteFailure("was changed or deleted by the user or another process", is_changed=True)
    assert victim.read_bytes() == b"of the victim"
    assert names(tmp_path) == {"file", "victim"} - ({"file"} if change == "deleted" else set())
    assert change == "deleted" or path.read_bytes() != NEW


@pytest.mark.fault("S13")
@POSIX
@pytest.mark.parametrize(("mode", "is_written"), [(0o777, False), (0o1777, True), (0o775, True)])
async def test_directory_that_every_user_may_write_to(mode: int, is_written: bool, tmp_path: Path) -> None:
    """Nothing is written where every user may replace it; the sticky bit prevents that."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    failure = await write(folder / "file")
    assert (failure is None) == is_written
    assert names(folder) == ({"file"} if is_written else set())
    assert is_written or "every user may write to" in str(failure)


@POSIX
async def test_owner_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written even if its owner cannot be kept."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    version = await signature(path)
    tried: list[object] = []
    real = read_status

    def other_owner(one: str) -> Any:
        found = real(one)
        values = {name: getattr(found, name) for name in dir(found) if name.startswith("st_")}
        return SimpleNamespace(**{**values, "st_uid": found.st_uid + 1})

    def fail(*arguments: object) -> None:
        tried.append(arguments)
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(atomic_write, "read_status", other_owner)
    monkeypatch.setattr(os, "fchown", fail)
    assert await write(path, NEW, version) is None
    assert len(tried) == 1
    assert path.read_bytes() == NEW


@pytest.mark.fault("L06")
@POSIX
@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
async def test_link_is_kept(there: bool, tmp_path: Path) -> None:
    """If the path is a symbolic link, or a link to a link, the file at its end is replaced and the links stay."""
    real, near = tmp_path / "dotfiles", tmp_path / "aws"
    real.mkdir()
    near.mkdir()
    if there:
        (real / "file").write_bytes(OLD)
    (real / "link").symlink_to("file")
    (near / "file").symlink_to("../dotfiles/link")
    assert await write(near / "file") is None
    assert (real / "file").read_bytes() == NEW
    assert not (real / "file").is_symlink()
    assert [path.readlink() for path in (near / "file", real / "link")] == [Path("../dotfiles/link"), Path("file")]
    assert (names(real), names(near)) == ({"file", "link"}, {"file"})


@POSIX
async def test_path_through_a_linked_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory in the path may be a symbolic link, and the path may be relative."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert await write("link/file") is None
    assert await write("plain") is None
    assert (tmp_path / "real" / "file").read_bytes() == (tmp_path / "plain").read_bytes() == NEW
    assert (tmp_path / "link").is_symlink()


@POSIX
async def test_path_that_cannot_be_replaced_is_reported(tmp_path: Path) -> None:
    """A directory, a FIFO, a device, a link to itself and invalid paths are reported and not replaced."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(OLD)
    before = names(tmp_path)
    assert await write(tmp_path / "folder") == WriteFailure("is a directory")
    assert await write(tmp_path / "fifo") == WriteFailure("is not a regular file")
    assert await write("/dev/null") == WriteFailure("is not a regular file")
    assert await write(tmp_path / "loop") == WriteFailure("is a symbolic link to itself")
    for path, code in (
        (tmp_path / "file" / "below", errno.ENOTDIR),
        (tmp_path / "file" / "far" / "below", errno.ENOTDIR),
        (tmp_path / ("x" * 256), errno.ENAMETOOLONG),
    ):
        assert await write(path) == WriteFailure(f"cannot be written: {os.strerror(code)}")
    for impossible in ("nul\0nul", "\ud800", f"{tmp_path}/\ud800/file"):
        assert await write(impossible) == WriteFailure("is not a valid path")
    assert isinstance(await write(""), WriteFailure)
    assert names(tmp_path) == before
    assert (tmp_path / "file").read_bytes() == OLD
    assert stat.S_ISCHR(kind(Path("/dev/null")))


@POSIX
async def test_longest_name_is_possible(tmp_path: Path) -> None:
    """A file name may be as long as the file system allows."""
    assert await write(tmp_path / ("x" * 255)) is None
    assert (tmp_path / ("x" * 255)).read_bytes() == NEW


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("open", errno.EACCES),
        ("open", errno.EROFS),
        ("mkdir", errno.EACCES),
        ("fsync", errno.ENOSPC),
        ("fsync", errno.EIO),
        ("fdopen", errno.EDQUOT),
        ("replace", errno.EBUSY),
    ],
)
async def test_operating_system_error_leaves_the_old_content(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full, read-only or broken disk is reported; the old content stays, and no temporary file is left."""
    path = tmp_path / "a" / "file"
    if name != "mkdir":
        path.parent.mkdir()
        path.write_bytes(OLD)
    real = getattr(os, name)

    def fail(first: Any, *args: Any, **options: Any) -> Any:
        if name == "fdopen":
            os.close(first)  # as it does itself when it fails
        if name == "open" and not str(first).startswith(str(tmp_path)):
            return real(first, *args, **options)
        raise OSError(code, "text that is not used")

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        found = await write(path)
    assert found == WriteFailure(f"cannot be written: {os.strerror(code)}")
    if name == "mkdir":
        assert names(tmp_path) == set()
    else:
        assert path.read_bytes() == OLD
        assert names(path.parent) == {"file"}


@pytest.mark.fault("L18")
@POSIX
async def test_file_size_limit_leaves_the_old_content(tmp_path: Path) -> None:
    """A size limit that is reached while writing leaves the old content and no temporary file."""
    import resource

    path = tmp_path / "file"
    path.write_bytes(OLD)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        found = await write(path, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found == WriteFailure(f"cannot be written: {os.strerror(errno.EFBIG)}")
    assert path.read_bytes() == OLD
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize(("failures", "is_written"), [(0, True), (2, True), (3, False)])
async def test_replace_is_retried_on_windows(
    failures: int, is_written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a file cannot be replaced while a reader has it open, replacing it is retried a few times."""
    real = os.replace
    left = [PermissionError(errno.EACCES, "in use")] * failures

    def replace(*paths: str) -> None:
        if left:
            raise left.pop()
        real(*paths)

    monkeypatch.setattr(atomic_write, "_REPLACE_DELAYS", (0.001, 0.001))
    monkeypatch.setattr(os, "replace", replace)
    found = await write(tmp_path / "file")
    expected = None if is_written else WriteFailure(f"cannot be written: {os.strerror(errno.EACCES)}")
    assert (found, left) == (expected, [])
    assert names(tmp_path) == ({"file"} if is_written else set())


@pytest.mark.fault("L05")
async def test_readers_and_writers_at_once(tmp_path: Path) -> None:
    """While several tasks write, also into missing directories, a reader always gets the complete content of one."""
    path = tmp_path / "a" / "b" / "file"
    contents = {bytes([65 + number]) * 20_000 for number in range(8)}
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with contextlib.suppress(FileNotFoundError, PermissionError):
                seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        async with anyio.create_task_group() as tasks:
            for content in contents:
                tasks.start_soon(write, path, content)
    finally:
        done.set()
        reader.join()
    assert seen <= contents
    assert path.read_bytes() in contents
    assert names(path.parent) == {"file"}


@contextmanager
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make writing hang before the content is on disk. The values: a write has started; let it continue."""
    started, free = threading.Event(), threading.Event()
    real = os.fsync

    def hang(descriptor: int) -> None:
        started.set()
        assert free.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    try:
        yield started, free
    finally:
        free.set()


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - a thread makes it true
            await anyio.sleep(0.001)


@each_loop
async def test_event_loop_runs_while_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop runs other tasks while the disk is slow."""
    with hung_disk(monkeypatch) as (started, free):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, tmp_path / "file")
            await until(started.is_set)
            free.set()
    assert (tmp_path / "file").read_bytes() == NEW


@each_loop
async def test_write_cancelled_in_the_middle_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is cancelled while the disk is slow leaves after the file is written."""
    async with anyio.create_task_group() as tasks:
        with hung_disk(monkeypatch) as (started, free):
            scope = anyio.CancelScope()

            async def write_in_scope() -> None:
                with scope:
                    await write(tmp_path / "file")

            tasks.start_soon(write_in_scope)
            await until(started.is_set)
            scope.cancel()
            await anyio.sleep(0.01)
            assert not (tmp_path / "file").exists()
            free.set()
    assert scope.cancelled_caught
    assert (tmp_path / "file").read_bytes() == NEW
    assert names(tmp_path) == {"file"}


@each_loop
async def test_write_cancelled_while_the_disk_hangs_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled caller waits for a disk that hangs for a moment only, and the late write replaces nothing."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    monkeypatch.setattr(atomic_write, "CANCEL_TIMEOUT", 0.02)
    with hung_disk(monkeypatch) as (started, _):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, path)
            await until(started.is_set)
            tasks.cancel_scope.cancel()
        assert len(names(tmp_path)) == 2
    await until(lambda: names(tmp_path) == {"file"})
    assert path.read_bytes() == OLD


@each_loop
async def test_write_cancelled_at_any_step_is_completed(tmp_path: Path) -> None:
    """At whatever step the caller is cancelled, the new content is written and no temporary file is left."""
    path = tmp_path / "file"
    for cancel_at in range(8):
        path.write_bytes(OLD)
        await reaches_step(write(path), cancel_at)
        assert path.read_bytes() == NEW, cancel_at
        assert names(tmp_path) == {"file"}, cancel_at


def test_dropped_coroutine_completes_the_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose event loop is closed raises nothing when it is dropped, and the content is written."""
    with hung_disk(monkeypatch) as (begun, _):
        loop = asyncio.new_event_loop()
        task: Any = loop.create_task(write(tmp_path / "file"))
        loop.run_until_complete(until(begun.is_set))
        loop.close()
        task._log_destroy_pending = False
        del task
        gc.collect()
    end = time.monotonic() + 5
    while names(tmp_path) != {"file"}:
        assert time.monotonic() < end
        time.sleep(0.001)


_KILLED = """
import os, signal, sys
from anycreds._system.files import atomic_write
path, old, new = sys.argv[1], b"old", b"new" * 20_000
for call in ("realpath", "stat", "open", "fdopen", "fchmod", "fsync", "replace", "done"):
    module = os.path if call == "realpath" else os
    with open(path, "wb") as file:
        file.write(old)
    if os.fork() == 0:
        if call != "done":
            setattr(module, call, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        atomic_write._write(path, new, None, atomic_write.threading.Event())
        os._exit(0)
    status = os.wait()[1]
    with open(path, "rb") as file:
        content = file.read()
    print(call, "killed" if os.WIFSIGNALED(status) else "ended", {old: "old", new: "new"}.get(content, "torn"))
    assert atomic_write._write(path, new, None, atomic_write.threading.Event()) is None
    with open(path, "rb") as file:
        assert file.read() == new
"""


@pytest.mark.fault("L19")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_process_killed_at_each_system_call(tmp_path: Path) -> None:
    """Killed before any system call of a write, a process leaves the old content, and the next write succeeds."""
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "file")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
    *killed, ended = done.stdout.splitlines()
    assert [line.split()[1:] for line in killed] == [["killed", "old"]] * 7, done.stdout
    assert ended == "done ended new"


@POSIX
async def test_link_is_replaced_if_so_asked(tmp_path: Path) -> None:
    """Without ``follow_link`` a link is replaced itself, and what it leads to stays; a link to a folder is followed."""
    (tmp_path / "target").write_bytes(OLD)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "target")
    (tmp_path / "way").symlink_to("folder")
    async with SystemRuntime().open_io("test") as io:
        assert await io.write_private(str(tmp_path / "way" / "link"), NEW, follow_link=False) is None
    assert kind(tmp_path / "folder" / "link") == stat.S_IFREG
    assert ((tmp_path / "folder" / "link").read_bytes(), (tmp_path / "target").read_bytes()) == (NEW, OLD)
