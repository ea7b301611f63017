"""``from_ini`` and ``from_process`` over real files, and the default chain with them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import anycreds
from anycreds._core.io import ReadFailure
from anycreds.testing import CANARY
from support.fake_io import FakeIo, run

pytestmark = pytest.mark.anyio

SECRET = f"{CANARY}-secret"


@pytest.fixture
def aws(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the shared files at its default place; it is empty."""
    monkeypatch.delenv("AWS_CONFIG_FILE")
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    folder = isolated / ".aws"
    folder.mkdir()
    return folder


def keys(name: str) -> str:
    """Return the lines of a key pair."""
    return f"aws_access_key_id = AKID{name}\naws_secret_access_key = {SECRET}-{name}\n"


def printing(name: str) -> str:
    """Return a command that prints a set."""
    return f"""printf '{{"Version": 1, "AccessKeyId": "AKID{name}", "SecretAccessKey": "{SECRET}"}}'"""


async def test_keys_of_a_profile(aws: Path) -> None:
    """A named profile in the credentials file gives its keys, with account, token and where they came from."""
    (aws / "credentials").write_text(f"[dev]\n{keys('DEV')}aws_session_token = {SECRET}-t\naws_account_id = 123\n")
    creds = await anycreds.from_ini("dev")()
    assert (creds.access_key_id, creds.secret_access_key) == ("AKIDDEV", f"{SECRET}-DEV")
    assert (creds.session_token, creds.account_id) == (f"{SECRET}-t", "123")
    assert creds.source == "shared files, profile 'dev'"


async def test_which_profile(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument beats the client's profile, that beats ``AWS_PROFILE``, that beats ``default``."""
    (aws / "config").write_text("".join(f"[profile {name}]\n{keys(name)}" for name in ("default", "a", "b", "c")))
    assert (await anycreds.from_ini()()).access_key_id == "AKIDdefault"
    monkeypatch.setenv("AWS_PROFILE", "c")
    assert (await anycreds.from_ini()()).access_key_id == "AKIDc"
    assert (await anycreds.from_ini().for_client(anycreds.ClientContext(profile="b"))()).access_key_id == "AKIDb"
    assert (await anycreds.from_ini("a").for_client(anycreds.ClientContext(profile="b"))()).access_key_id == "AKIDa"


async def test_files_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and both variables say where the files are; ``~/`` is the home directory."""
    (tmp_path / "one").write_text(f"[x]\n{keys('ONE')}")
    (tmp_path / "two").write_text(f"[profile y]\n{keys('TWO')}")
    (tmp_path / "home" / "three").write_text(f"[x]\n{keys('THREE')}")
    by_option = anycreds.from_ini("x", filepath=str(tmp_path / "one"), config_filepath=str(tmp_path / "two"))
    assert (await by_option()).access_key_id == "AKIDONE"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "two"))
    assert (await anycreds.from_ini("y")()).access_key_id == "AKIDTWO"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "~/three")
    assert (await anycreds.from_ini("x")()).access_key_id == "AKIDTHREE"


async def test_changes_are_seen_and_unchanged_files_are_not_read_again(aws: Path) -> None:
    """A file that appears, changes or is replaced is seen at the next call; ``ignore_cache`` reads it every time."""
    provider = anycreds.from_ini("x")
    with pytest.raises(anycreds.ProfileNotFoundError, match="which does not exist"):
        await provider()
    file = aws / "credentials"
    file.write_text(f"[x]\n{keys('FIRST')}")
    assert (await provider()).access_key_id == "AKIDFIRST"
    status = file.stat()
    file.write_text(f"[x]\n{keys('OTHER')}")  # as long
    assert (await provider()).access_key_id == "AKIDOTHER"
    replacement = aws / "new"
    replacement.write_text(f"[x]\n{keys('THIRD')}")
    os.utime(replacement, ns=(status.st_atime_ns, status.st_mtime_ns))
    replacement.rename(file)
    assert (await provider()).access_key_id == "AKIDTHIRD"
    file.unlink()
    with pytest.raises(anycreds.ProfileNotFoundError):
        await provider()


async def test_missing_default_is_nothing_and_missing_name_is_an_error(aws: Path) -> None:
    """Without a name there may well be no profile; one that somebody named has to be there, "default" too."""
    with pytest.raises(anycreds.NotConfiguredError, match="no profile 'default'"):
        await anycreds.from_ini()()
    with pytest.raises(anycreds.ProfileNotFoundError, match="'default'"):
        await anycreds.from_ini("default")()
    (aws / "config").write_text("[profile develop]\n[profile production]\n")
    with pytest.raises(anycreds.ProfileNotFoundError, match=r"did you mean 'develop'\?") as caught:
        await anycreds.from_ini("devlop")()
    assert caught.value.profile == "devlop"


async def test_a_default_that_is_missing_has_no_close_names(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no profile has to be there, none is compared with its name: that takes milliseconds at each refresh."""

    def spy(word: str, possibilities: list[str]) -> list[str]:
        raise AssertionError("nothing is to be compared")

    monkeypatch.setattr("difflib.get_close_matches", spy)
    (aws / "config").write_text("[profile defualt]\nregion = eu-west-1\n")
    with pytest.raises(anycreds.NotConfiguredError, match="no profile 'default'"):
        await anycreds.from_ini()()
    with pytest.raises(anycreds.RetrievalError, match="No such file"):
        await anycreds.from_token_file(web_identity_token_file=aws / "missing", role_arn="arn:r")()


def gigabyte(path: Path) -> None:
    """Make a file of that size, which takes up no space."""
    with path.open("wb") as file:
        file.truncate(1 << 30)


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
async def test_file_that_cannot_be_read_is_an_error_at_once(aws: Path, make: object, reason: str) -> None:
    """What stands at the path and cannot be read is named with its path and the reason, and nothing waits for it."""
    make(aws / "config")  # type: ignore[operator]
    with anyio.fail_after(5), pytest.raises(anycreds.InvalidConfigurationError, match=f"~/.aws/config.*{reason}"):
        await anycreds.from_ini()()


def test_file_without_permission_is_an_error_that_says_so() -> None:
    """A file that may not be read is never taken for one that is not there."""
    denied = {"/home/x/.aws/config": ReadFailure("cannot be read: Permission denied")}
    io = FakeIo(environ={"HOME": "/home/x"}, files=denied)
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"~/.aws/config cannot be read: Permission denied"):
        run(anycreds.from_ini()._fetch(io, anycreds.ClientContext()))


async def test_file_that_an_option_names_has_to_exist(aws: Path) -> None:
    """A path that the program gives is meant; those in the environment may well hold nothing."""
    with pytest.raises(anycreds.InvalidConfigurationError, match=r"No such file.*option filepath"):
        await anycreds.from_ini(filepath=str(aws / "nowhere"))()


async def test_large_files_are_parsed_beside_the_loop(aws: Path) -> None:
    """A file of 10,000 profiles is read while other tasks run on."""
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


async def test_bad_lines_elsewhere_are_told_once(aws: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line that cannot be read in a profile nobody uses is one warning with file and line, without what it says."""
    (aws / "config").write_text(f"[profile x]\n{keys('X')}[profile y]\n{SECRET}\n")
    provider = anycreds.from_ini("x")
    with caplog.at_level(logging.WARNING, logger="anycreds"):
        await provider()
        await provider()
    told = [record.getMessage() for record in caplog.records if record.name.startswith("anycreds")]
    assert [text.split(": ")[0] for text in told] == ["~/.aws/config:5"]
    with pytest.raises(anycreds.ConfigParseError) as caught:
        await anycreds.from_ini("y")()
    assert (caught.value.path, caught.value.line) == ("~/.aws/config", 5)


async def test_command_of_a_profile(aws: Path) -> None:
    """``from_ini`` and ``from_process`` run the command of the profile and take what it prints."""
    (aws / "config").write_text(f"[profile x]\ncredential_process = {printing('P')}\naws_account_id = 42\n")
    for provider in (anycreds.from_ini("x"), anycreds.from_process("x")):
        creds = await provider()
        assert (creds.access_key_id, creds.account_id, creds.source) == ("AKIDP", "42", "credential process")


async def test_process_is_all_that_from_process_looks_at(aws: Path) -> None:
    """Keys beside a command win for ``from_ini`` only; without a command there is nothing for ``from_process``."""
    (aws / "config").write_text(f"[profile x]\n{keys('K')}credential_process = {printing('P')}\n[default]\n{keys('D')}")
    assert (await anycreds.from_ini("x")()).access_key_id == "AKIDK"
    assert (await anycreds.from_process("x")()).access_key_id == "AKIDP"
    with pytest.raises(anycreds.NotConfiguredError, match="no credential_process"):
        await anycreds.from_process()()


async def test_failing_command_is_the_error(aws: Path) -> None:
    """A command that fails stops; the error has the program, the exit code and where the command stands."""
    (aws / "config").write_text(f"[profile x]\ncredential_process = sh -c 'exit 3' {SECRET}\n")
    with pytest.raises(anycreds.RetrievalError, match=r"3.*") as caught:
        await anycreds.from_ini("x")()
    assert "~/.aws/config:2" in str(caught.value)


async def test_default_chain_order(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment beat ``default``, a named profile beats them; one that says nothing lets it go on."""
    (aws / "config").write_text(f"[default]\n{keys('DEFAULT')}[profile x]\n{keys('X')}[profile empty]\nregion = r\n")
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDDEFAULT"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDENV"
    assert (await anycreds.from_default_chain("x")()).access_key_id == "AKIDX"
    monkeypatch.setenv("AWS_PROFILE", "default")
    assert (await anycreds.from_default_chain()()).access_key_id == "AKIDDEFAULT"
    with pytest.raises(anycreds.NoCredentialsError) as caught:
        await anycreds.from_default_chain("empty")()
    names = [attempt.provider for attempt in caught.value.attempts]
    assert names == ["shared files", "SSO", "web identity", "container credentials", "EC2 instance metadata"]
    with pytest.raises(anycreds.ProfileNotFoundError):
        await anycreds.from_default_chain("missing")()


async def test_environment_that_stands_in_counts_for_all(aws: Path, tmp_path: Path) -> None:
    """``environ`` says where the files are and which profile is meant, too."""
    (tmp_path / "elsewhere").write_text(f"[x]\n{keys('ELSE')}")
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "elsewhere"), "AWS_PROFILE": "x", "HOME": str(tmp_path)}
    assert (await anycreds.from_default_chain(environ=environ)()).access_key_id == "AKIDELSE"


@pytest.mark.parametrize("timeout", [0, -1, "1", True])
def test_timeout_that_is_none_is_refused(timeout: object) -> None:
    """Nonsense for ``timeout`` is an error when the provider is made."""
    with pytest.raises(anycreds.InvalidConfigurationError, match="timeout"):
        anycreds.from_process(timeout=timeout)  # type: ignore[arg-type]
