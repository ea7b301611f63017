"""Unusual token files: the provider uses them or raises an error with a hint, and never hangs or leaks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from anycreds import Credentials, LoginRequiredError
from anycreds.testing import FakeAWS
from robustness.environment import KINDS, Environment, outcome
from support.event_loops import asyncio_only as anyio_backend  # noqa: F401

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.usefixtures("without_delays"),
    pytest.mark.skipif(os.name != "posix", reason="needs POSIX files"),
]
REFRESHED = ["sso refresh", "login"]


def link(file: Path) -> None:
    """Replace a file by a symbolic link to it."""
    file.symlink_to(file.rename(file.with_name("real")))


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Return a function that changes the content of a file."""

    def apply(file: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return apply


def with_member(text: bytes) -> Callable[[Path], None]:
    """Return a function that adds a member to the JSON document in a file."""
    return rewritten(lambda content: content.removesuffix(b"}") + b', "more": ' + text + b"}")


def replaced(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return a function that replaces a file."""

    def apply(file: Path) -> None:
        file.unlink()
        make(file)

    return apply


def at_lock(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return a function that creates something at the path of the lock."""

    def apply(file: Path) -> None:
        make(file.with_name(f"{file.name}.lock"))

    return apply


UNUSABLE: dict[str, Callable[[Path], None]] = {
    "nothing": Path.unlink,
    "link to nothing": replaced(lambda file: file.symlink_to("nothing")),
    "link to itself": replaced(lambda file: file.symlink_to(file)),
    "FIFO": replaced(os.mkfifo),
    "directory": replaced(Path.mkdir),
    "endless device": replaced(lambda file: file.symlink_to("/dev/zero")),
    "10 MiB": with_member(b" " * (10 << 20) + b"1"),
    "empty": rewritten(lambda _: b""),
    "half": rewritten(lambda content: content[:-9]),
    "Latin-1": with_member(b'"\xff"'),
    "deep": with_member(b"[" * 5000 + b"]" * 5000),
    "not an object": rewritten(lambda content: b"[" + content + b"]"),
    "NaN": with_member(b"NaN"),
    "number of 5,000 digits": with_member(b"9" * 5000),
}
USABLE: dict[str, Callable[[Path], None]] = {
    "link": link,
    "open to all": lambda file: file.chmod(0o666),
    "second name": lambda file: os.link(file, file.with_name("other")),
    "endless number": with_member(b"1e999"),
    "lone surrogate": with_member(b'"\\ud800"'),
    "control characters": with_member(b'"\\u0000\\u001b\\u202e"'),
    "lock is a link": at_lock(lambda lock: lock.symlink_to(lock.parent.parent / "elsewhere")),
    "lock is a directory": at_lock(Path.mkdir),
    "lock is a FIFO": at_lock(os.mkfifo),
    "lock is a device": at_lock(lambda lock: lock.symlink_to("/dev/zero")),
}


@pytest.mark.fault("L15")
@pytest.mark.parametrize("kind", REFRESHED)
async def test_unusable_token_files_are_an_error(aws: FakeAWS, environment: Environment, kind: str) -> None:
    """A token file that cannot be used is a ``LoginRequiredError``, without a request."""
    for what, change in UNUSABLE.items():
        shutil.rmtree(environment.path(kind).parent, ignore_errors=True)
        provider = environment.provider(kind)
        change(environment.path(kind))
        with anyio.fail_after(1):
            assert isinstance(await outcome(provider, environment), LoginRequiredError), what
    assert aws.count() == 0


@pytest.mark.fault("L15")
@pytest.mark.parametrize("kind", REFRESHED)
async def test_unusual_but_usable_token_files_are_refreshed(aws: FakeAWS, environment: Environment, kind: str) -> None:
    """An unusual token file or lock does not prevent the refresh, and nothing else is written."""
    path = environment.path(kind)
    for number, (what, change) in enumerate(USABLE.items(), 1):
        shutil.rmtree(path.parent, ignore_errors=True)
        provider = environment.provider(kind)
        change(path)
        is_link = path.is_symlink()
        with anyio.fail_after(1):
            assert isinstance(await provider(), Credentials), what
        assert aws.count(KINDS[kind].route) == number, what
        assert path.is_symlink() == is_link
        assert not (path.parent.parent / "elsewhere").exists()
        assert not list(path.parent.glob(".anycreds*")), what


@pytest.mark.fault("L06", "L15", "S13")
@pytest.mark.parametrize("kind", REFRESHED)
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a file away")
async def test_token_file_of_another_user_is_not_used(aws: FakeAWS, environment: Environment, kind: str) -> None:
    """A token file that another user owns is not used, not even through a symbolic link."""
    provider = environment.provider(kind)
    path = environment.path(kind)
    os.chown(path, 4321, 4321)
    assert "another user" in str(await outcome(provider, environment))
    link(path)
    assert "another user" in str(await outcome(provider, environment))
    assert aws.count() == 0


@pytest.mark.fault("L05")
@pytest.mark.parametrize("kind", REFRESHED)
async def test_partially_written_token_file_is_not_used(aws: FakeAWS, environment: Environment, kind: str) -> None:
    """A partially written token file is never used."""
    provider = environment.provider(kind)
    path = environment.path(kind)
    content = path.read_bytes()
    for size in range(0, len(content), 97):
        path.write_bytes(content[:size])
        assert isinstance(await outcome(environment.fresh(kind), environment), LoginRequiredError)
    path.write_bytes(content)
    assert isinstance(await provider(), Credentials)
    assert aws.count(KINDS[kind].route) == 1
