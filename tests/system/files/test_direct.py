"""Small files in memory are read without a thread, if every mount on the way is local, and nothing else is touched."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from anycreds._core.io import FileVersion, ReadFailure
from anycreds._system import threads
from anycreds._system.files import direct, read, snapshot
from anycreds._system.files.direct import SMALL, read_directly
from anycreds._system.files.read import FoundFile, read_regular

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread reads all files")

LIMIT = 1 << 20
SECONDS = count(1e9)  # by default every read is in another second
ROOT = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file system of the test machine read without waiting; only some can."""

    def preadv(descriptor: int, buffers: list[bytearray], offset: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        return original(descriptor, buffers, offset)

    original = os.preadv
    monkeypatch.setattr(os, "preadv", preadv)


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Return a function that replaces the table of mounts: below a local root, each a path and a file system."""

    def replace(**others: str) -> None:
        lines = [ROOT]
        for number, (path, file_system) in enumerate(others.items(), 23):
            lines.append(f"{number} 22 0:{number} / {path} rw - {file_system} server:/export rw,vers=4.2")
        table = tmp_path / "mountinfo"
        table.write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(direct, "_TABLE", str(table))
        monkeypatch.setattr(direct, "monotonic", partial(next, SECONDS))

    replace()
    return replace


@pytest.mark.usefixtures("mounts")
def test_same_as_a_thread(tmp_path: Path) -> None:
    """A file, an empty, a known and a missing file have the same result as in a thread."""
    full, empty = tmp_path / "full", tmp_path / "empty file"
    full.write_bytes(b"x" * SMALL)
    empty.touch()
    known = read.signature_of(full.stat())
    wanted = [(str(full), None), (str(empty), None), (str(full), known), (str(tmp_path / "none" / "none"), None)]
    found = read_directly(wanted)
    expected = [read_regular(path, LIMIT, signature) for path, signature in wanted]
    assert found is not None
    assert repr(found) == repr(expected)
    assert [one.content for one in found if isinstance(one, FoundFile)] == [b"x" * SMALL, b"", b""]
    assert found[-1] == ReadFailure("cannot be read: No such file or directory", is_missing=True)


@pytest.mark.fault("L03")
@pytest.mark.usefixtures("mounts")
def test_left_to_a_thread(tmp_path: Path) -> None:
    """What is not a small regular file at a plain path without links is left to a thread."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    (tmp_path / "large").write_bytes(b"x" * (SMALL + 1))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "folder/file")
    (tmp_path / "linked").symlink_to(tmp_path / "folder")
    here = str(tmp_path)
    left = [
        *("folder", "large", "fifo", "link", "linked/file", "linked/none", "folder/file/x", "folder/../large", "x\0"),
        *("./large", "/large", "folder/"),
    ]
    found = {path: read_directly([(f"{here}/{path}", None)]) for path in left}
    assert {path for path in left if found[path] is not None} == set()
    assert read_directly([(os.path.relpath(tmp_path / "folder/file"), None)]) is None
    assert read_directly([("", None)]) is None
    assert read_directly([("~/file", None)]) is None
    assert read_directly([(f"{here}/folder/file", None)]) is not None


@pytest.mark.parametrize("file_system", ["nfs4", "autofs", "fuse.sshfs", "9p", "virtiofs", "overlay", "unheard-of"])
def test_mount_that_may_hang(file_system: str, mounts: Callable[..., None], tmp_path: Path) -> None:
    """A path on, or below, a mount that is not known as local is not even opened."""
    opened: list[object] = []
    home = tmp_path / "a home"
    home.mkdir()
    (home / "file").write_text("x")
    escaped = str(home).replace(" ", "\\040")
    original = os.open

    def note(path: str, flags: int, **more: int) -> int:
        opened.append(path)
        return original(path, flags, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", note)
        for path in (escaped, f"{escaped}/file", str(tmp_path), "/"):
            mounts(**{path: file_system})
            assert read_directly([(str(home / "file"), None)]) is None
            assert set(opened) == {str(tmp_path / "mountinfo")}
    mounts(**{f"{escaped}/fil": file_system, f"{escaped}2": file_system, str(tmp_path / "a"): file_system})
    assert read_directly([(str(home / "file"), None)]) is not None


def test_mounts_are_checked_once_a_second(
    monkeypatch: pytest.MonkeyPatch, mounts: Callable[..., None], tmp_path: Path
) -> None:
    """The table of mounts and the folders of a path are looked at once a second, and noticed then if they change."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    wanted = [(f"{tmp_path}/folder/{name}", None) for name in ("file", "none")]
    opened: list[object] = []
    original = os.open

    def note(path: str, flags: int) -> int:
        opened.append(Path(path).name)
        return original(path, flags)

    monkeypatch.setattr(os, "open", note)
    for now, found_before in ((2e9, False), (2e9 + 0.9, True)):
        opened.clear()
        monkeypatch.setattr(direct, "monotonic", lambda now=now: now)
        assert read_directly(wanted) is not None
        assert opened == [*([] if found_before else ["mountinfo"]), "file", "none"]
    mounts(**{str(tmp_path): "nfs4"})
    monkeypatch.setattr(direct, "monotonic", lambda: 2e9 + 1)
    assert read_directly(wanted) is None
    mounts()
    (tmp_path / "folder").rename(tmp_path / "elsewhere")
    (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    assert read_directly(wanted) is None


def test_unknown_mounts(monkeypatch: pytest.MonkeyPatch, mounts: Callable[..., None], tmp_path: Path) -> None:
    """Without a table of mounts, or with a very long one, or without what Linux has, a thread reads all files."""
    file = tmp_path / "file"
    file.write_text("x")
    mounts(**{f"/mnt/{number}": "ext4" for number in range(direct.MAX_TABLE // 60)})
    assert read_directly([(str(file), None)]) is None
    monkeypatch.setattr(direct, "_TABLE", str(tmp_path / "none"))
    assert read_directly([(str(file), None)]) is None
    mounts()
    assert read_directly([(str(file), None)]) is not None
    monkeypatch.setattr(direct, "_IS_SUPPORTED", False)
    assert read_directly([(str(file), None)]) is None


@pytest.mark.usefixtures("mounts")
def test_not_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that is not in memory, or only in part, or on a system that cannot say so, is left to a thread."""
    file = tmp_path / "file"
    file.write_text("content")

    def fail(error: Exception) -> int:
        raise error

    errors = (BlockingIOError(), OSError(95, "unsupported"), NotImplementedError("musl"))
    for result in (*(partial(lambda error, *_: fail(error), error) for error in errors), lambda *_: 3):
        monkeypatch.setattr(os, "preadv", result)
        assert read_directly([(str(file), None)]) is None


@pytest.mark.anyio
async def test_thread_only_if_needed(
    monkeypatch: pytest.MonkeyPatch, mounts: Callable[..., None], tmp_path: Path
) -> None:
    """Two small files on a local file system start no thread, and one thread at most reads them otherwise."""
    file = tmp_path / "file"
    file.write_text("content")
    started: list[object] = []
    original = threads.start_thread

    def start(*call: Callable[..., object]) -> bool:
        started.append(call)
        return original(*call)

    monkeypatch.setattr(threads, "start_thread", start)
    wanted = [(str(file), None), (str(tmp_path / "none"), None)]
    results = [await snapshot.read_if_changed(wanted, LIMIT)]
    assert started == []
    mounts(**{str(tmp_path): "nfs"})
    results.append(await snapshot.read_if_changed(wanted, LIMIT))
    assert len(started) == 1
    assert results[0] == results[1]
    assert isinstance(results[0][0], FileVersion)


@pytest.mark.usefixtures("mounts")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """No descriptor stays open, whatever is found."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("file", "none", "link", "link/file", "file/none", "."):
        read_directly([(str(tmp_path / name), None)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
