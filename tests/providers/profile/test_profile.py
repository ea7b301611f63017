"""``from_ini`` and ``from_process`` over real files, and the default chain with them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds._core.io import ReadFailure
from anycreds._system.threads import ThreadCall
from anycreds.testing import CANARY
from support.fake_io import FakeIo, run

pytestmark = pytest.mark.anyio

SECRET = f"{CANARY}-secret"


@pytest.fixture
def aws(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the default folder of the shared files, which is empty."""
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    folder = isolated / ".aws"
    folder.mkdir()
    return folder


def keys(name: str) -> str:
    """Return the lines of a key pair."""
    return f"aws_access_key_id = AKID{name}\naws_secret_access_key = {SECRET}-{name}\n"


def printing(name: str) -> str:
    """Return a command that prints credentials."""
    return f"""printf '{{"Version": 1, "AccessKeyId": "AKID{name}", "SecretAccessKey": "{SECRET}"}}'"""


async def test_keys_of_a_profile(aws: Path) -> None:
    """A profile in the credentials file has keys, token and account, and is the source of the credentials."""
    (aws / "credentials").write_text(f"[dev]\n{keys('DEV')}aws_session_token = {SECRET}-t\naws_account_id = 123\n")
    creds = await anycreds.from_ini("dev")()
    assert (creds.access_key_id, creds.secret_access_key) == ("AKIDDEV", f"{SECRET}-DEV")
    assert (creds.session_token, creds.account_id) == (f"{SECRET}-t", "123")
    assert creds.source == "shared files, profile 'dev'"


async def test_selection_of_the_profile(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument takes precedence over the client, the client over ``AWS_PROFILE``, and that over ``default``."""
    (aws / "config").write_text("".join(f"[profile {name}]\n{keys(name)}" for name in ("default", "a", "b", "c")))
    assert (await anycreds.from_ini()()).access_key_id == "AKIDdefault"
    monkeypatch.setenv("AWS_PROFILE", "c")
    assert (await anycreds.from_ini()()).access_key_id == "AKIDc"
    assert (await anycreds.from_ini().for_client(anycreds.ClientContext(profile="b"))()).access_key_id == "AKIDb"
    assert (await anycreds.from_ini("a").for_client(anycreds.ClientContext(profile="b"))()).access_key_id == "AKIDa"


async def test_location_of_the_files(tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and variables locate the files; ``~/`` is the home directory."""
    (tmp_path / "one").write_text(f"[x]\n{keys('ONE')}")
    (tmp_path / "two").write_text(f"[profile y]\n{keys('TWO')}")
    (isolated / "three").write_text(f"[x]\n{keys('THREE')}")
    by_option = anycreds.from_ini("x", filepath=str(tmp_path / "one"), config_filepath=str(tmp_path / "two"))
    assert (await by_option()).access_key_id == "AKIDONE"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "two"))
    assert (await anycreds.from_ini("y")()).access_key_id == "AKIDTWO"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "~/three")
    assert (await anycreds.from_ini("x")()).access_key_id == "AKIDTHREE"


async def test_changed_file_is_noticed_at_the_next_call(aws: Path) -> None:
    """A file that appears, changes, is replaced or disappears is noticed at the next call."""
    provider = anycreds.from_ini("x")
    with pytest.raises(anycreds.ProfileNotFoundError, match="which does not exist"):
        await provider()
    file = aws / "credentials"
    file.write_text(f"[x]\n{keys('FIRST')}")
    assert (await provider()).access_key_id == "AKIDFIRST"
    status = file.stat()
    file.write_text(f"[x]\n{keys('OTHER')}")  # of the same length
    assert (await provider()).access_key_id == "AKIDOTHER"
    replacement = aws / "new"
    replacement.write_text(f"[x]\n{keys('THIRD')}")
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.rename(file)
    assert (await provider()).access_key_id == "AKIDTHIRD"
    file.unlink()
    with pytest.raises(anycreds.ProfileNotFoundError):
        await provider()


@pytest.mark.fault("L01")
async def test_missing_profile(aws: Path) -> None:
    """An implicit ``default`` may be missing. A profile that is selected explicitly must exist, ``default`` too."""
    with pytest.raises(anycreds.NotConfiguredError, match="no profile 'default'"):
        await anycreds.from_ini()()
    with pytest.raises(anycreds.ProfileNotFoundError, match="'default'"):
        await anycreds.from_ini("default")()
    (aws / "config").write_text("[profile develop]\n[profile production]\n")
    with pytest.raises(anycreds.ProfileNotFoundError, match=r"did you mean 'develop'\?") as caught:
        await anycreds.from_ini("devlop")()
    assert caught.value.profile == "devlop"


def test_missing_default_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close names are not searched for a profile that may be missing: that takes milliseconds at each refresh."""

    def spy(word: str, possibilities: list[str]) -> list[str]:
        raise AssertionError("names must not be compared")

    monkeypatch.setattr("difflib.get_close_matches", spy)
    files = {"/home/x/.aws/config": b"[profile defualt]\nregion = eu-west-1\n"}
    io = FakeIo(environ={"HOME": "/home/x"}, files=files)
    with pytest.raises(anycreds.NotConfiguredError, match="no profile 'default'"):
        run(anycreds.from_ini()._fetch(io, anycreds.ClientContext()))
    token_file = anycreds.from_token_file(web_identity_token_file="/missing", role_arn="arn:r")
    with pytest.raises(anycreds.RetrievalError, match="No such file"):
        run(token_file._fetch(io, anycreds.ClientContext()))


def gigabyte(path: Path) -> None:
    """Create a sparse file of that size."""
    with path.open("wb") as file:
        file.truncate(1 << 30)


@pytest.mark.fault("L02", "L03")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), "directory"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: path.write_bytes("[default]\n".encode("utf-16")), r":1: the file is UTF-16 text; expected UTF-8"),
        (gigabyte, "larger than"),
    ],
    ids=["directory", "fifo", "loop", "UTF-16", "gigabyte"],
)
async def test_unreadable_file(aws: Path, make: object, reason: str) -> None:
    """A path that cannot be read is an error with path and reason, and no call blocks."""
    make(aws / "config")  # type: ignore[operator]
    with anyio.fail_after(5), pytest.raises(anycreds.InvalidConfigurationError, match=f"~/.aws/config.*{reason}"):
        await anycreds.from_ini()()


@pytest.mark.fault("L02")
def test_file_without_permission() -> None:
    """A file without read permission is an error, and not taken for a missing file."""
    denied = {"/home/x/.aws/config": ReadFailure("cannot be read: Permission denied")}
    io = FakeIo(environ={"HOME": "/home/x"}, files=denied)
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"~/.aws/config cannot be read: Permission denied"):
        run(anycreds.from_ini()._fetch(io, anycreds.ClientContext()))


@pytest.mark.fault("L01")
async def test_missing_file_of_an_option(aws: Path) -> None:
    """A file that an option names must exist."""
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"No such file.*option filepath"):
        await anycreds.from_ini(filepath=str(aws / "nowhere"))()


async def test_large_file_does_not_block_the_loop(aws: Path) -> None:
    """While a file of 10,000 profiles is read, other tasks run."""
    (aws / "config").write_text("".join(f"[profile p{n}]\n{keys(str(n))}region = eu-west-1\n" for n in range(10_000)))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        assert (await anycreds.from_ini("p9999")()).access_key_id == "AKID9999"
        tasks.cancel_scope.cancel()
    assert ticks > 3


async def test_broken_file_does_not_block_the_loop(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 10,000 broken profiles is parsed by many short calls in threads, between which other tasks run."""
    (aws / "config").write_text("".join(f"[profile p{n}]\nregion\n" for n in range(10_000)))
    calls = 0
    make = ThreadCall.__init__

    def counted(call: ThreadCall[object], function: Callable[..., object], *arguments: object) -> None:
        nonlocal calls
        calls += 1
        make(call, function, *arguments)

    monkeypatch.setattr(ThreadCall, "__init__", counted)
    with pytest.raises(anycreds.ConfigParseError):
        await anycreds.from_ini("p9999")()
    assert calls >= 50


async def test_malformed_lines_of_unused_profiles(aws: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed line in an unused profile is one warning with file and line, without its text."""
    (aws / "config").write_text(f"[profile x]\n{keys('X')}[profile y]\n{SECRET}\n")
    provider = anycreds.from_ini("x")
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        await provider()
        await provider()
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("anycreds")]
    assert [text.split(": ")[0] for text in logged] == ["~/.aws/config:5"]
    with pytest.raises(anycreds.ConfigParseError) as caught:
        await anycreds.from_ini("y")()
    assert (caught.value.path, caught.value.line) == ("~/.aws/config", 5)


async def test_command_of_a_profile(aws: Path) -> None:
    """``from_ini`` and ``from_process`` run the command of the profile, and return what it prints."""
    (aws / "config").write_text(f"[profile x]\ncredential_process = {printing('P')}\naws_account_id = 42\n")
    for provider in (anycreds.from_ini("x"), anycreds.from_process("x")):
        creds = await provider()
        assert (creds.access_key_id, creds.account_id, creds.source) == ("AKIDP", "42", "credential process")


async def test_keys_beside_a_command(aws: Path) -> None:
    """Keys beside a command are used by ``from_ini`` and ignored by ``from_process``."""
    (aws / "config").write_text(f"[profile x]\n{keys('K')}credential_process = {printing('P')}\n[default]\n{keys('D')}")
    assert (await anycreds.from_ini("x")()).access_key_id == "AKIDK"
    assert (await anycreds.from_process("x")()).access_key_id == "AKIDP"
    with pytest.raises(anycreds.NotConfiguredError, match="no credential_process"):
        await anycreds.from_process()()


async def test_failing_command(aws: Path) -> None:
    """A command that fails is an error with exit code and line, and without its arguments."""
    (aws / "config").write_text(f"[profile x]\ncredential_process = sh -c 'exit 3' {SECRET}\n")
    with pytest.raises(anycreds.RetrievalError, match=r"3.*") as caught:
        await anycreds.from_ini("x")()
    assert "~/.aws/config:2" in str(caught.value)


async def test_default_chain_with_files(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit profile comes before keys in variables, which come before ``default`` and behind an empty profile."""
    (aws / "config").write_text(f"[default]\n{keys('DEFAULT')}[profile x]\n{keys('X')}[profile empty]\nregion = r\n")
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDDEFAULT"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDENV"
    assert (await anycreds.from_default_chain("x")()).access_key_id == "AKIDX"
    monkeypatch.setenv("AWS_PROFILE", "default")
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDDEFAULT"
    assert (await anycreds.from_default_chain("empty")()).access_key_id == "AKIDENV"
    with pytest.raises(anycreds.ProfileNotFoundError):
        await anycreds.from_default_chain("missing")()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await anycreds.from_default_chain("empty")()
    names = "shared files, environment variables, SSO, web identity, container credentials, EC2 instance metadata"
    assert [attempt.provider for attempt in caught.value.attempts] == names.split(", ")


async def test_environ_locates_the_files(aws: Path, tmp_path: Path) -> None:
    """``environ`` locates the files and selects the profile."""
    (tmp_path / "elsewhere").write_text(f"[x]\n{keys('ELSE')}")
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "elsewhere"), "AWS_PROFILE": "x", "HOME": str(tmp_path)}
    assert (await anycreds.from_default_chain(environ=environ)()).access_key_id == "AKIDELSE"


@pytest.mark.fault("S01")
async def test_only_the_command_of_the_selected_profile_runs(aws: Path, tmp_path: Path) -> None:
    """Reading the files runs no command; awaiting a provider runs that of its own profile, and of no other."""
    ran = tmp_path / "ran"
    (aws / "config").write_text(
        "".join(
            f"[profile {name}]\n{rest}credential_process = echo {name} >> {ran}; {printing(name)}\n"
            for name, rest in (("x", ""), ("y", ""), ("keys", keys("K")), ("$(touch z)", ""))
        )
        + f"[default]\n{keys('D')}"
    )
    for profile in (None, "keys", "x"):
        await anycreds.from_default_chain(profile)()
    with pytest.raises(anycreds.ProfileNotFoundError):
        await anycreds.from_ini("x; y")()
    assert ran.read_text() == "x\n"
