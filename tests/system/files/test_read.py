"""Tests that reading a path ends soon, with content or a reason, whatever is at the path."""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import anycreds
from anycreds._core.io import PrivateFile, ReadFailure
from anycreds._system.files import read as files
from anycreds._system.files.read import read_file
from anycreds.testing import CANARY
from support.event_loops import each_loop
from support.raw_http_server import ok, serving

pytestmark = [pytest.mark.anyio, pytest.mark.realtime]

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
LIMIT = 64 * 1024
AT_ONCE = 5.0  # seconds, on a busy machine; a read that hangs would never return


async def read_while_ticking(path: str) -> bytes | ReadFailure:
    """Read a file, and check that this neither blocks the event loop nor takes long."""
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await anyio.sleep(0.001)

    started = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await anyio.sleep(0.002)
        content = await read_file(path, LIMIT)
        tasks.cancel_scope.cancel()
    ended = time.monotonic()
    assert ended - started < AT_ONCE
    gaps = [later - earlier for earlier, later in zip([started, *ticks], [*ticks, ended], strict=True)]
    assert max(gaps) < AT_ONCE / 4
    return content


@pytest.mark.fault("L06")
@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_regular_file_is_read(tmp_path: Path, size: int) -> None:
    """A regular file up to the limit is read as a whole, through a symbolic link too."""
    (tmp_path / "file").write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("file")
    assert await read_while_ticking(str(tmp_path / "file")) == b"x" * size
    assert await read_while_ticking(str(tmp_path / "link")) == b"x" * size


@pytest.mark.fault("L04")
async def test_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    """A file one byte larger than the limit is not read."""
    (tmp_path / "file").write_bytes(b"x" * (LIMIT + 1))
    assert await read_while_ticking(str(tmp_path / "file")) == ReadFailure(f"is larger than {LIMIT} bytes")


@pytest.mark.fault("L04")
@pytest.mark.parametrize("reported", [0, 5_000, LIMIT])
async def test_file_with_a_wrong_size_is_read_to_its_end(reported: int, tmp_path: Path) -> None:
    """A file is read to its end or to the limit, even if its reported size is wrong, as for a growing file."""
    content = bytes(range(256)) * 40
    (tmp_path / "file").write_bytes(content)
    for limit, read in ((LIMIT, content), (len(content), content), (1_000, content[:1_001])):
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            assert files._content(descriptor, reported, limit) == read
        finally:
            os.close(descriptor)


@pytest.mark.fault("L04")
@POSIX
async def test_sparse_gigabyte_is_not_read(tmp_path: Path) -> None:
    """A file of one gigabyte is rejected without being read."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 30)
    assert await read_while_ticking(str(tmp_path / "file")) == ReadFailure(f"is larger than {LIMIT} bytes")


@pytest.mark.fault("L03")
@POSIX
async def test_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO without a writer is not waited for."""
    os.mkfifo(tmp_path / "fifo")
    assert await read_while_ticking(str(tmp_path / "fifo")) == ReadFailure("is not a regular file")


@pytest.mark.fault("L03")
@POSIX
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
async def test_device_is_not_read(device: str) -> None:
    """An endless device or a terminal is not read."""
    content = await read_while_ticking(device)
    assert isinstance(content, ReadFailure)


@pytest.mark.fault("L03")
@POSIX
async def test_socket_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is not read."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("socket")  # a short name: the length of socket names is limited
        assert isinstance(await read_while_ticking(str(tmp_path / "socket")), ReadFailure)


@pytest.mark.fault("L02")
async def test_directory_is_reported(tmp_path: Path) -> None:
    """A directory is reported as such."""
    assert await read_while_ticking(str(tmp_path)) == ReadFailure("is a directory")


@pytest.mark.fault("L02")
async def test_missing_and_invalid_paths(tmp_path: Path) -> None:
    """A missing file, broken links and invalid paths are reported with the operating system's reason."""
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    for name, code in (
        ("missing", errno.ENOENT),
        ("dangling", errno.ENOENT),
        ("one", errno.ELOOP),
        ("x" * 5000, errno.ENAMETOOLONG),
    ):
        content = await read_while_ticking(str(tmp_path / name))
        assert isinstance(content, ReadFailure)
        assert content.detail == f"cannot be read: {os.strerror(code)}"
    assert await read_while_ticking("nul\0nul") == ReadFailure("is not a valid path")
    assert isinstance(await read_while_ticking(""), ReadFailure)
    assert isinstance(await read_while_ticking("\ud800"), ReadFailure)


@pytest.mark.fault("L02")
async def test_denied_permission_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denied permission is reported. It is simulated, since root, as which CI may run, is denied nothing."""

    def fail(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", fail)
    assert await read_file(str(tmp_path / "file"), LIMIT) == ReadFailure("cannot be read: Permission denied")


async def test_error_while_reading_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk while reading is reported, and the descriptor is closed."""
    (tmp_path / "file").write_bytes(b"x")

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "stat", types.SimpleNamespace(S_ISREG=fail))
    assert await read_file(str(tmp_path / "file"), LIMIT) == ReadFailure("cannot be read: Input/output error")


@contextmanager
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make every read hang until the end of the ``with``, as on a network drive. The value: a read has started."""
    started, free = threading.Event(), threading.Event()

    def hang(*_: object) -> ReadFailure:
        started.set()
        free.wait(10)
        return ReadFailure("gone")

    monkeypatch.setattr(files, "read_regular", hang)
    try:
        yield started
    finally:
        free.set()


@each_loop
async def test_hung_read_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that hangs blocks neither the event loop nor a cancelled caller."""
    with hung_disk(monkeypatch) as reading:
        started = time.monotonic()
        with anyio.move_on_after(0.02) as scope:
            await read_file("anything", LIMIT)
        assert scope.cancelled_caught
        assert time.monotonic() - started < AT_ONCE
        assert reading.is_set()


@each_loop
async def test_hung_read_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that hangs ends the attempt after the time limit for reads."""
    monkeypatch.setattr(files, "READ_TIMEOUT", 0.02)
    with hung_disk(monkeypatch):
        provider = anycreds.from_http(
            full_uri="http://127.0.0.1:9/", authorization_token_file="/net/token", timeout=0.02, max_retries=0
        )
        with pytest.raises(anycreds.ProviderTimeoutError):
            await provider()


@each_loop
async def test_used_up_thread_pool_does_not_prevent_reading(tmp_path: Path) -> None:
    """A file is read even if the program has used up anyio's worker threads."""
    (tmp_path / "file").write_bytes(b"content")
    limiter = anyio.to_thread.current_default_thread_limiter()
    holders = [object() for _ in range(int(limiter.total_tokens))]
    for holder in holders:
        limiter.acquire_on_behalf_of_nowait(holder)
    try:
        with anyio.fail_after(AT_ONCE):
            assert await read_file(str(tmp_path / "file"), LIMIT) == b"content"
    finally:
        for holder in holders:
            limiter.release_on_behalf_of(holder)


@pytest.mark.fault("L14")
async def test_token_file_is_sent(tmp_path: Path) -> None:
    """The token in a file is sent; an unusable file is named in the error, without its content."""
    path = tmp_path / "token"
    path.write_text(f"{CANARY}-first\n")
    async with serving(ok(), ok()) as peer:
        provider = anycreds.from_http(
            full_uri=f"http://127.0.0.1:{peer.port}/", authorization_token_file=str(path), max_retries=0
        )
        await provider()
        path.write_text(f"{CANARY}-second")
        await provider()
        sent = [re.search(rb"(?i)authorization: (\S+)\r\n", head) for head in peer.heads]
        assert [match and match[1].decode() for match in sent] == [f"{CANARY}-first", f"{CANARY}-second"]
        path.unlink()
        path.mkdir()
        with pytest.raises(anycreds.InvalidConfigurationError, match="is a directory") as caught:
            await provider()
    assert str(path) in str(caught.value)


@POSIX
@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
async def test_private_file_is_read_with_its_accessibility(tmp_path: Path, mode: int, is_open: bool) -> None:
    """A private file is read with whether other users can access it, through a symbolic link too."""
    (tmp_path / "file").write_text(f"{CANARY}-token")
    (tmp_path / "file").chmod(mode)
    (tmp_path / "link").symlink_to("file")
    found = await files.read_private(str(tmp_path / "link"), LIMIT)
    assert isinstance(found, PrivateFile)
    assert (found.content, found.is_accessible_to_others) == (f"{CANARY}-token".encode(), is_open)
    assert CANARY not in repr(found)


@POSIX
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
async def test_private_file_of_another_user(tmp_path: Path) -> None:
    """A private file that belongs to another user is rejected."""
    (tmp_path / "file").write_text("a token")
    os.chown(tmp_path / "file", 12345, -1)
    found = await files.read_private(str(tmp_path / "file"), LIMIT)
    assert found == ReadFailure("belongs to another user")


async def test_missing_private_file(tmp_path: Path) -> None:
    """A missing private file is reported as missing."""
    found = await files.read_private(str(tmp_path / "none"), LIMIT)
    assert isinstance(found, ReadFailure)
    assert found.is_missing


@POSIX
async def test_link_is_not_followed_if_so_asked(tmp_path: Path) -> None:
    """Without ``follow_link`` neither a link is read, nor a file that every user may replace."""
    (tmp_path / "file").write_text("a token")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "link").symlink_to("file")
    assert isinstance(await files.read_private(str(tmp_path / "file"), LIMIT, follow_link=False), PrivateFile)
    link = await files.read_private(str(tmp_path / "link"), LIMIT, follow_link=False)
    assert link == ReadFailure("is a symbolic link")
    tmp_path.chmod(0o777)  # noqa: ASYNC240 - a local folder
    found = await files.read_private(str(tmp_path / "file"), LIMIT, follow_link=False)
    assert isinstance(found, ReadFailure)
    assert "every user may write" in found.detail
    tmp_path.chmod(0o1777)  # noqa: ASYNC240 - a local folder
    assert isinstance(await files.read_private(str(tmp_path / "file"), LIMIT, follow_link=False), PrivateFile)
    found = await files.read_private(str(tmp_path / "a\0b"), LIMIT, follow_link=False)
    assert found == ReadFailure("is not a valid path")


async def test_private_file_knows_when_it_was_written(tmp_path: Path) -> None:
    """A private file is read with the time of its last change."""
    (tmp_path / "file").touch()
    os.utime(tmp_path / "file", (1e9, 1.5e9))
    found = await files.read_private(str(tmp_path / "file"), LIMIT)
    assert isinstance(found, PrivateFile)
    assert found.modified_at == 1.5e9
