"""Whatever stands at a path, reading it ends at once with content or a reason, and the event loop runs on meanwhile."""

from __future__ import annotations

import errno
import os
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
from support.raw_http_server import httpx_loaded, ok, serving  # noqa: F401

pytestmark = pytest.mark.anyio

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
LIMIT = 64 * 1024
AT_ONCE = 5.0  # seconds, on a machine that is busy with other things; a read that hangs would never come back


async def read_while_ticking(path: str) -> bytes | ReadFailure:
    """Read, and see that the event loop is not held meanwhile and that it does not take long."""
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


@pytest.mark.parametrize("size", [0, 1, LIMIT])
async def test_regular_file(tmp_path: Path, size: int) -> None:
    """A regular file is read whole, up to the limit, through a symbolic link too."""
    (tmp_path / "file").write_bytes(b"x" * size)
    (tmp_path / "link").symlink_to("file")
    assert await read_while_ticking(str(tmp_path / "file")) == b"x" * size
    assert await read_while_ticking(str(tmp_path / "link")) == b"x" * size


async def test_file_beyond_the_limit(tmp_path: Path) -> None:
    """One byte more than allowed is too much."""
    (tmp_path / "file").write_bytes(b"x" * (LIMIT + 1))
    assert await read_while_ticking(str(tmp_path / "file")) == ReadFailure(f"is larger than {LIMIT} bytes")


@pytest.mark.parametrize("told", [0, 5_000, LIMIT])
async def test_size_that_does_not_hold(told: int, tmp_path: Path) -> None:
    """A file is read to its end, or to the limit, whatever size the system told: it may grow, and some have none."""
    content = bytes(range(256)) * 40
    (tmp_path / "file").write_bytes(content)
    for limit, read in ((LIMIT, content), (len(content), content), (1_000, content[:1_001])):
        descriptor = os.open(tmp_path / "file", os.O_RDONLY)
        try:
            assert files._content(descriptor, told, limit) == read
        finally:
            os.close(descriptor)


@POSIX
async def test_sparse_gigabyte(tmp_path: Path) -> None:
    """A file of a gigabyte is refused without being read."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 30)
    assert await read_while_ticking(str(tmp_path / "file")) == ReadFailure(f"is larger than {LIMIT} bytes")


@POSIX
async def test_fifo(tmp_path: Path) -> None:
    """A FIFO, which nobody writes to, is not waited for."""
    os.mkfifo(tmp_path / "fifo")
    assert await read_while_ticking(str(tmp_path / "fifo")) == ReadFailure("is not a regular file")


@POSIX
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
async def test_device(device: str) -> None:
    """A device without end, or one that a person types on, is not read."""
    content = await read_while_ticking(device)
    assert isinstance(content, ReadFailure)


@POSIX
async def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is no file."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind("socket")  # a short name: those of sockets are limited
        assert isinstance(await read_while_ticking(str(tmp_path / "socket")), ReadFailure)


async def test_directory(tmp_path: Path) -> None:
    """A directory is told as such."""
    assert await read_while_ticking(str(tmp_path)) == ReadFailure("is a directory")


async def test_what_is_not_there(tmp_path: Path) -> None:
    """A missing file, a link to nowhere, links in a circle and impossible paths each have the system's reason."""
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


async def test_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused permission is told; it is played, as to the administrator, whom CI may run as, nothing is refused."""

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert await read_file(str(tmp_path / "file"), LIMIT) == ReadFailure("cannot be read: Permission denied")


async def test_error_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in the middle is told, and the descriptor closed (which is looked for after every test)."""
    (tmp_path / "file").write_bytes(b"x")

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "stat", types.SimpleNamespace(S_ISREG=fail))
    assert await read_file(str(tmp_path / "file"), LIMIT) == ReadFailure("cannot be read: Input/output error")


@contextmanager
def hung_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let every read hang, as on a network that is gone, until the end of the ``with``. The value: one has begun."""
    begun, free = threading.Event(), threading.Event()

    def hang(*_: object) -> ReadFailure:
        begun.set()
        free.wait(10)
        return ReadFailure("gone")

    monkeypatch.setattr(files, "_read", hang)
    try:
        yield begun
    finally:
        free.set()


async def test_hung_read_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that hangs holds neither the loop nor whoever is cancelled in it."""
    with hung_disk(monkeypatch) as begun:
        started = time.monotonic()
        with anyio.move_on_after(0.02) as scope:
            await read_file("anything", LIMIT)
        assert scope.cancelled_caught
        assert time.monotonic() - started < AT_ONCE
        assert begun.is_set()


async def test_hung_read_ends_with_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token file that hangs ends the attempt when the time for reading is over."""
    monkeypatch.setattr(files, "READ_TIMEOUT", 0.02)
    with hung_disk(monkeypatch):
        provider = anycreds.from_http(
            full_uri="http://127.0.0.1:9/", authorization_token_file="/net/token", timeout=0.02, max_retries=0
        )
        with pytest.raises(anycreds.ProviderTimeoutError):
            await provider()


async def test_threads_of_the_program_are_not_needed(tmp_path: Path) -> None:
    """A program that has used up its worker threads does not keep a file from being read."""
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


async def test_token_file_reaches_the_wire(tmp_path: Path) -> None:
    """The token in a file is sent, and a file that cannot be one is named in the error, without its content."""
    path = tmp_path / "token"
    path.write_text(f"{CANARY}-first\n")
    async with serving(ok(), ok()) as peer:
        provider = anycreds.from_http(
            full_uri=f"http://127.0.0.1:{peer.port}/", authorization_token_file=str(path), max_retries=0
        )
        await provider()
        path.write_text(f"{CANARY}-second")
        await provider()
        assert [
            f"{CANARY}-{name}\r\n".encode() in head for name, head in zip(("first", "second"), peer.heads, strict=True)
        ]
        path.unlink()
        path.mkdir()
        with pytest.raises(anycreds.InvalidConfigurationError, match="is a directory") as caught:
            await provider()
    assert str(path) in str(caught.value)


@POSIX
@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
async def test_private_file(tmp_path: Path, mode: int, is_open: bool) -> None:
    """A file with a token tells whether others can get at it, also behind a symbolic link."""
    (tmp_path / "file").write_text(f"{CANARY}-token")
    (tmp_path / "file").chmod(mode)
    (tmp_path / "link").symlink_to("file")
    found = await files.read_private(str(tmp_path / "link"), LIMIT)
    assert isinstance(found, PrivateFile)
    assert (found.content, found.is_open) == (f"{CANARY}-token".encode(), is_open)
    assert CANARY not in repr(found)


@POSIX
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
async def test_private_file_of_somebody_else(tmp_path: Path) -> None:
    """A token that another user has put there is not used."""
    (tmp_path / "file").write_text("a token")
    os.chown(tmp_path / "file", 12345, -1)
    found = await files.read_private(str(tmp_path / "file"), LIMIT)
    assert found == ReadFailure("belongs to another user")


async def test_private_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is missing, and not somebody else's."""
    found = await files.read_private(str(tmp_path / "none"), LIMIT)
    assert isinstance(found, ReadFailure)
    assert found.is_missing
