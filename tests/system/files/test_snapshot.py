"""Tests that an attempt reads each shared file at most once, and that the next attempt sees changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from anycreds._core.io import FileQuery, FileVersion, ReadFailure
from anycreds._system.files import snapshot as files
from anycreds._system.runtime import SystemRuntime

pytestmark = pytest.mark.anyio

LIMIT = 1024


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the files that each read asks the disk for."""
    read, noted = files.read_if_changed, list[list[str]]()

    async def note(wanted: Sequence[FileQuery], limit: int) -> list[FileVersion | ReadFailure | None]:
        noted.append([path for path, _ in wanted])
        return await read(wanted, limit)

    monkeypatch.setattr(files, "read_if_changed", note)
    return noted


async def test_second_read_in_an_attempt(tmp_path: Path, reads: list[list[str]]) -> None:
    """A second request in one attempt gets what the first one read, without a read, for missing files too."""
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.write_bytes(b"one")
    io = SystemRuntime().open_io("test")
    wanted = [(str(there), None), (str(missing), None)]
    seen = await io.read_if_changed(wanted, LIMIT)
    there.write_bytes(b"another")
    missing.write_bytes(b"late")
    assert await io.read_if_changed(wanted, LIMIT) == seen
    assert isinstance(seen[0], FileVersion)
    assert seen[0].content == b"one"
    assert isinstance(seen[1], ReadFailure)
    assert len(reads) == 1


async def test_known_version(tmp_path: Path, reads: list[list[str]]) -> None:
    """A caller that knows the version that was read gets None; a caller that knows another version gets the content."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    io = SystemRuntime().open_io("test")
    (seen,) = await io.read_if_changed([(str(file), None)], LIMIT)
    assert isinstance(seen, FileVersion)
    assert await io.read_if_changed([(str(file), seen.signature)], LIMIT) == [None]
    assert await io.read_if_changed([(str(file), (0,))], LIMIT) == [seen]
    assert len(reads) == 1


async def test_unchanged_file_is_read_for_another_caller(tmp_path: Path, reads: list[list[str]]) -> None:
    """A file that was unchanged for one caller is read for a caller that does not know that version."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    (seen,) = await SystemRuntime().open_io("test").read_if_changed([(str(file), None)], LIMIT)
    assert isinstance(seen, FileVersion)
    io = SystemRuntime().open_io("test")
    assert await io.read_if_changed([(str(file), seen.signature)], LIMIT) == [None]
    assert await io.read_if_changed([(str(file), seen.signature)], LIMIT) == [None]
    assert len(reads) == 2
    assert await io.read_if_changed([(str(file), None)], LIMIT) == [seen]
    assert len(reads) == 3


async def test_only_unread_files_are_read(tmp_path: Path, reads: list[list[str]]) -> None:
    """Of several files, only those not read before are read, and the results are in the order of the request."""
    names = [str(tmp_path / name) for name in "abc"]
    for name in names:
        (tmp_path / name).write_text(name, encoding="utf-8")
    io = SystemRuntime().open_io("test")
    await io.read_if_changed([(names[1], None)], LIMIT)
    found = await io.read_if_changed([(name, None) for name in names], LIMIT)
    assert [version.content.decode() for version in found if isinstance(version, FileVersion)] == names
    assert reads == [[names[1]], [names[0], names[2]]]


async def test_next_attempt_reads_again(tmp_path: Path) -> None:
    """Another attempt sees changes of a file."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    runtime = SystemRuntime()
    await runtime.open_io("test").read_if_changed([(str(file), None)], LIMIT)
    file.write_bytes(b"another")
    (found,) = await runtime.open_io("test").read_if_changed([(str(file), None)], LIMIT)
    assert isinstance(found, FileVersion)
    assert found.content == b"another"
