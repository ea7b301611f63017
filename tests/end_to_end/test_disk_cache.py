"""``disk_cached`` on the real file system: what it creates, what else may be there, and the cache in memory above."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import anycreds
from anycreds import Credentials, CredentialsError, RetrievalError
from anycreds.testing import CANARY
from support.rows import row

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.realtime,
    pytest.mark.skipif(os.name != "posix", reason="looks at modes of files, and makes links"),
]

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Source:
    """An async function that counts its calls, and returns new credentials of an hour each time."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: CredentialsError | None = None

    async def __call__(self) -> Credentials:
        self.calls += 1
        if self.error is not None:
            raise self.error
        end = datetime.now(UTC) + timedelta(hours=1)
        return Credentials(f"ASIA{self.calls}", f"{CANARY}-secret", f"{CANARY}-token", expiration=end)


def entry_in(folder: Path) -> Path:
    """Return the only entry."""
    [path] = folder.glob("*.json")
    return path


def files_in(folder: Path) -> list[Path]:
    """Return all files."""
    return list(folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    """Missing directories are created with mode 0700; the entry and its lock have mode 0600."""
    source = Source()
    before = os.umask(0)
    try:
        await anycreds.disk_cached(source, key="a", directory=tmp_path / "b" / "c")()
    finally:
        os.umask(before)
    entry = entry_in(tmp_path / "b" / "c")
    assert [mode(path) for path in (tmp_path / "b", tmp_path / "b" / "c")] == [0o700, 0o700]
    assert {path.name: mode(path) for path in entry.parent.iterdir()} == {
        entry.name: 0o600,
        f"{entry.name}.lock": 0o600,
    }


async def test_home_is_the_directory_of_the_cli(isolated: Path) -> None:
    """Without ``directory`` the entries are in ``~/.aws/cli/cache``."""
    await anycreds.disk_cached(Source(), key="a")()
    assert entry_in(isolated / ".aws/cli/cache").is_file()


async def test_second_process_finds_the_entry(tmp_path: Path) -> None:
    """Another provider with the same key calls nothing; one with another key does."""
    source = Source()
    for key in ("a", "a", "b"):
        await anycreds.disk_cached(source, key=key, directory=tmp_path)()
    assert source.calls == 2


async def test_directory_on_another_file_system(tmp_path: Path) -> None:
    """The directory may be a link to another file system."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no other file system to write to")
    elsewhere, source = Path(tempfile.mkdtemp(dir="/dev/shm")), Source()
    try:
        (tmp_path / "cache").symlink_to(elsewhere)
        for _ in range(2):
            await anycreds.disk_cached(source, key="a", directory=tmp_path / "cache")()
        assert entry_in(elsewhere).is_file()
    finally:
        shutil.rmtree(elsewhere)
    assert source.calls == 1


def to_link(path: Path) -> None:
    path.rename(path.with_name("target"))
    path.symlink_to("target")


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_foreign(path: Path) -> None:
    os.chown(path, 12345, -1)


def to_torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:40])


def to_future(path: Path) -> None:
    os.utime(path, (2e9, 2e9))


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "link": to_link,
    "named pipe": to_pipe,
    "torn": to_torn,
    "empty": lambda path: path.write_bytes(b""),
    "readable by the group": lambda path: path.chmod(0o640),
    "written in the future": to_future,
    **({"foreign": to_foreign} if IS_ROOT else {}),
}


@pytest.mark.fault("L20")
async def test_unusable_entry_is_never_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An entry that is a link, foreign, torn, exposed or from the future is logged, and not used."""
    for name, spoil in UNUSABLE.items():
        with row(name):
            folder, source = tmp_path / name, Source()
            await anycreds.disk_cached(source, key="a", directory=folder)()
            spoil(entry_in(folder))
            caplog.clear()
            found = await anycreds.disk_cached(source, key="a", directory=folder)()
            assert (found.access_key_id, source.calls) == ("ASIA2", 2)
            assert "which is not used" in caplog.text


@pytest.mark.fault("L20")
async def test_unusable_entry_is_replaced(tmp_path: Path) -> None:
    """It is replaced by a private file; what a link leads to is not written to."""
    for name in UNUSABLE.keys() - {"named pipe"}:
        with row(name):
            folder, source = tmp_path / name, Source()
            await anycreds.disk_cached(source, key="a", directory=folder)()
            path = entry_in(folder)
            UNUSABLE[name](path)
            await anycreds.disk_cached(source, key="a", directory=folder)()
            assert json.loads(path.read_bytes())["Credentials"]["AccessKeyId"] == "ASIA2"
            assert (path.is_symlink(), mode(path), path.lstat().st_uid) == (False, 0o600, os.getuid())
    target = json.loads((tmp_path / "link" / "target").read_bytes())
    assert target["Credentials"]["AccessKeyId"] == "ASIA1"


@pytest.mark.fault("L21")
async def test_unusable_directory_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be read, locked or written, every call is one of the source."""
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    folders: dict[str, Path | str] = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "cache",
        "every user may write": tmp_path / "open",
        "a name that is too long": tmp_path / ("x" * 300),
        "a path that is too long": tmp_path.joinpath(*(["x" * 200] * 25)),
        "a null character": str(tmp_path / "a\0b"),
        **({"a file system of the kernel": "/proc/anycreds"} if sys.platform == "linux" else {}),
    }
    for name, folder in folders.items():
        with row(name):
            source = Source()
            caplog.clear()
            provider = anycreds.disk_cached(source, key="a", directory=folder)
            assert [(await provider()).access_key_id for _ in range(2)] == ["ASIA1", "ASIA2"]
            assert "cached in memory only" in caplog.text
    assert [path.suffix for path in files_in(tmp_path / "open")] == [".lock"]


@pytest.mark.fault("L21")
async def test_full_disk_keeps_the_old_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a disk is full, the new credentials are returned, and the old entry stays as it is."""
    source = Source()
    provider = anycreds.disk_cached(source, key="a", directory=tmp_path)
    await provider()
    path = entry_in(tmp_path)
    to_torn(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert (await provider()).access_key_id == "ASIA2"
    assert path.read_bytes() == before
    assert len(files_in(tmp_path)) == 2


async def test_cache_in_memory_gets_newer_credentials(tmp_path: Path) -> None:
    """A cache in memory that refreshes, or whose credentials were rejected, does not get them from the disk again."""
    source = Source()
    providers = [
        anycreds.cached(anycreds.disk_cached(source, key="a", directory=tmp_path)),
        anycreds.disk_cached(anycreds.cached(source), key="a", directory=tmp_path),
    ]
    first = [(await provider()).access_key_id for provider in providers]
    assert first == ["ASIA1", "ASIA1"]
    assert providers[0].invalidate(await providers[0]()) is True
    assert (await providers[0]()).access_key_id == "ASIA2"
    assert (await providers[1](refresh=True)).access_key_id == "ASIA2"  # of the first one, without a call
    assert (await providers[1]()).access_key_id == "ASIA2"
    assert source.calls == 2


async def test_given_cache_keeps_its_options(tmp_path: Path) -> None:
    """Of a cached provider, the cache in memory stays outside, with its options; the given one is not changed."""
    events: list[object] = []
    source = Source()
    given = anycreds.cached(source, observer=events.append)
    provider = anycreds.disk_cached(given, key="a", directory=tmp_path)
    assert isinstance(provider, anycreds.CachedProvider)
    first = await provider()
    shutil.rmtree(tmp_path)
    assert await provider() is first
    assert events
    assert (await given()).access_key_id == "ASIA2"


async def test_failed_refresh_is_that_of_the_source(tmp_path: Path) -> None:
    """A caller without credentials gets a valid entry while the source is down, and one that expired gets the error."""
    source = Source()
    await anycreds.disk_cached(source, key="a", directory=tmp_path)()
    path = entry_in(tmp_path)
    document = json.loads(path.read_bytes())
    source.error = RetrievalError("the source is down")
    for seconds, expected in ((60, "ASIA1"), (-60, None)):
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        document["Credentials"]["Expiration"] = f"{end:%Y-%m-%dT%H:%M:%SZ}"
        path.write_text(json.dumps(document))
        os.utime(path, (end.timestamp() - 3600,) * 2)
        provider = anycreds.disk_cached(source, key="a", directory=tmp_path)
        if expected is None:
            with pytest.raises(RetrievalError, match="the source is down"):
                await provider()
        else:
            assert (await provider()).access_key_id == expected
    assert source.calls == 3
