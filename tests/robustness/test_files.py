"""Whatever stands where a token is looked for: an error that says what to do, or the token; never a hang or a leak."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from anycreds import Credentials, LoginRequiredError
from anycreds.testing import FakeAWS
from robustness.environment import KINDS, Stage, outcome

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("in_a_hurry"),
    pytest.mark.skipif(os.name != "posix", reason="such files are POSIX's"),
]
REFRESHED = ["sso refresh", "login"]


def link(file: Path) -> None:
    """Make it a link to what it was."""
    file.symlink_to(file.rename(file.with_name("real")))


def become(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return what changes the content."""

    def to(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return to


def add(text: bytes) -> Callable[[Path], None]:
    """Return what adds a member to the document."""
    return become(lambda content: content.removesuffix(b"}") + b', "more": ' + text + b"}")


def instead(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what puts something in its place."""

    def to(file: Path) -> None:
        file.unlink()
        make(file)

    return to


def beside(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what puts something in the place of the lock."""

    def to(file: Path) -> None:
        make(file.with_name(f"{file.name}.lock"))

    return to


UNUSABLE: dict[str, Callable[[Path], None]] = {
    "nothing": Path.unlink,
    "link to nothing": instead(lambda file: file.symlink_to("nothing")),
    "link to itself": instead(lambda file: file.symlink_to(file)),
    "FIFO": instead(os.mkfifo),
    "directory": instead(Path.mkdir),
    "endless device": instead(lambda file: file.symlink_to("/dev/zero")),
    "10 MiB": add(b" " * (10 << 20) + b"1"),
    "empty": become(lambda _: b""),
    "half": become(lambda content: content[:-9]),
    "Latin-1": add(b'"\xff"'),
    "deep": add(b"[" * 5000 + b"]" * 5000),
    "not an object": become(lambda content: b"[" + content + b"]"),
    "NaN": add(b"NaN"),
    "number of 5,000 digits": add(b"9" * 5000),
}
USABLE: dict[str, Callable[[Path], None]] = {
    "link": link,
    "open to all": lambda file: file.chmod(0o666),
    "second name": lambda file: os.link(file, file.with_name("other")),
    "endless number": add(b"1e999"),
    "lone surrogate": add(b'"\\ud800"'),
    "control characters": add(b'"\\u0000\\u001b\\u202e"'),
    "lock is a link": beside(lambda lock: lock.symlink_to(lock.parent.parent / "elsewhere")),
    "lock is a directory": beside(Path.mkdir),
    "lock is a FIFO": beside(os.mkfifo),
    "lock is a device": beside(lambda lock: lock.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("kind", REFRESHED)
async def test_what_is_no_token(aws: FakeAWS, stage: Stage, kind: str) -> None:
    """A file that cannot be used needs a person, at once, and no service is asked."""
    for what, change in UNUSABLE.items():
        shutil.rmtree(stage.path(kind).parent, ignore_errors=True)
        provider = stage.provider(kind)
        change(stage.path(kind))
        with anyio.fail_after(1):
            assert isinstance(await outcome(provider, stage), LoginRequiredError), what
    assert aws.count() == 0


@pytest.mark.parametrize("kind", REFRESHED)
async def test_what_is_odd(aws: FakeAWS, stage: Stage, kind: str) -> None:
    """An odd file, or an odd lock beside it, costs nobody the refresh, and writes nothing elsewhere."""
    path = stage.path(kind)
    for number, (what, change) in enumerate(USABLE.items(), 1):
        shutil.rmtree(path.parent, ignore_errors=True)
        provider = stage.provider(kind)
        change(path)
        is_link = path.is_symlink()
        with anyio.fail_after(1):
            assert isinstance(await provider(), Credentials), what
        assert aws.count(KINDS[kind].route) == number, what
        assert path.is_symlink() == is_link
        assert not (path.parent.parent / "elsewhere").exists()
        assert not list(path.parent.glob(".anycreds*")), what


@pytest.mark.parametrize("kind", REFRESHED)
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a file away")
async def test_what_belongs_to_another(aws: FakeAWS, stage: Stage, kind: str) -> None:
    """A token that somebody else has put there is not used, also behind a link of one's own."""
    provider = stage.provider(kind)
    path = stage.path(kind)
    os.chown(path, 4321, 4321)
    assert "another user" in str(await outcome(provider, stage))
    link(path)
    assert "another user" in str(await outcome(provider, stage))
    assert aws.count() == 0


@pytest.mark.parametrize("kind", REFRESHED)
async def test_file_that_is_half_written(aws: FakeAWS, stage: Stage, kind: str) -> None:
    """Wherever a program that rewrites the file in place has come to, half of a token is never taken for one."""
    provider = stage.provider(kind)
    path = stage.path(kind)
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        assert isinstance(await outcome(stage.fresh(kind), stage), LoginRequiredError)
    path.write_bytes(content)
    assert isinstance(await provider(), Credentials)
    assert aws.count(KINDS[kind].route) == 1
