"""``export``: what it prints is what a shell or a program takes, whatever stands in it; and nothing else is printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from anycreds import Credentials
from anycreds.__main__ import main
from anycreds._cli import export
from anycreds._cli._formats import FORMATS, as_env, as_json, as_powershell, as_process
from anycreds._providers.process_output import credentials_in_output
from cli.commands import HOSTILE, run_module, write_config

END = datetime(2999, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
LASTING = Credentials("AKIDTEST", "canary-secret")
WHOLE = Credentials(
    "ASIATEST",
    f"canary-secret {HOSTILE}",
    f"canary-session {HOSTILE}",
    expiration=END,
    account_id="012345678901",
    credential_scope="eu-west-1",
    source="a test",
)
CARRIED = {
    "AWS_ACCESS_KEY_ID": WHOLE.access_key_id,
    "AWS_SECRET_ACCESS_KEY": WHOLE.secret_access_key,
    "AWS_SESSION_TOKEN": WHOLE.session_token,
    "AWS_CREDENTIAL_EXPIRATION": "2999-01-02T03:04:05Z",
    "AWS_ACCOUNT_ID": "012345678901",
    "AWS_CREDENTIAL_SCOPE": "eu-west-1",
}
LEFT_OVER = {
    "AWS_SESSION_TOKEN": "old",
    "AWS_SECURITY_TOKEN": "older",
    "AWS_CREDENTIAL_EXPIRATION": "2001-01-01T00:00:00Z",
    "AWS_ACCOUNT_ID": "1",
    "AWS_CREDENTIAL_SCOPE": "x",
    "AWS_PROFILE": "old",
}
SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "ksh", "busybox") if shutil.which(shell)]


def with_keys(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    for name, value in more.items():
        monkeypatch.setenv(name, value)


def evaluated(shell: str, text: str, folder: Path) -> dict[str, str]:
    """Let a shell evaluate the text as documented, and return what a program that it starts then finds."""
    show = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('AWS_')}))"
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*command, "-uc", 'eval "$(cat "$0")" && "$1" -c "$2"', str(folder / "text"), sys.executable, show],
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **LEFT_OVER},
        cwd=folder,
        capture_output=True,
        timeout=30,  # seconds, for a shell and an interpreter
        check=True,
    )
    assert done.stderr == b""
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_shells_take_nothing_apart(shell: str, tmp_path: Path) -> None:
    """What a POSIX shell has after evaluating is exactly the set, nothing was run, and old values are gone."""
    for credentials, expected in ((WHOLE, CARRIED), (LASTING, {**variables_of(LASTING)})):
        (tmp_path / "text").write_text(as_env(credentials), encoding="utf-8")
        assert evaluated(shell, as_env(credentials), tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("text", "home")] == []


def variables_of(credentials: Credentials) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }


def test_powershell_takes_nothing_apart() -> None:
    """By PowerShell's rules every value is one verbatim string, in which each kind of single quote stands twice."""
    string = r"'((?:[^'\u2018\u2019\u201a\u201b]|(?:['\u2018\u2019\u201a\u201b]{2}))*)'"
    found: dict[str, str | None] = {}
    for line in as_powershell(WHOLE).splitlines():
        match = re.fullmatch(rf"\$Env:(\w+) = (?:{string}|\$null)", line)
        assert match, line.partition("=")[0]
        value = match[2]
        found[match[1]] = None if value is None else re.sub("(['\u2018\u2019\u201a\u201b]).", r"\1", value)
    assert found == {**CARRIED, "AWS_SECURITY_TOKEN": None, "AWS_PROFILE": None}
    assert "$Env:AWS_SESSION_TOKEN = $null" in as_powershell(LASTING).splitlines()


@pytest.mark.skipif(not shutil.which("pwsh"), reason="needs PowerShell (pwsh)")
def test_powershell_itself(tmp_path: Path) -> None:
    """PowerShell evaluates it to exactly the set."""
    script = tmp_path / "lines.ps1"
    script.write_text(f"{as_powershell(WHOLE)}\nGet-ChildItem Env:AWS_* | ConvertTo-Json", encoding="utf-8-sig")
    done = subprocess.run(["pwsh", "-NoProfile", "-File", script], capture_output=True, timeout=60, check=True)
    found = {one["Name"]: one["Value"] for one in json.loads(done.stdout)}
    assert {name: value for name, value in found.items() if name in CARRIED} == CARRIED


@pytest.mark.parametrize("credentials", [WHOLE, LASTING], ids=["whole", "lasting"])
def test_process_is_read_back(credentials: Credentials) -> None:
    """What is printed for ``credential_process`` is read back as the same set, to the second."""
    read = credentials_in_output(as_process(credentials).encode(), "a test", "it")
    assert isinstance(read, Credentials)
    end = None if credentials.expiration is None else END.replace(microsecond=0)
    assert read == credentials.replace(expiration=end, source="a test")


def test_json_has_every_field() -> None:
    """The JSON form has each field of the set by its name, and null for what there is not."""
    document = json.loads(as_json(WHOLE))
    assert document.keys() == set(Credentials.__slots__)
    assert document["expiration"] == "2999-01-02T03:04:05Z"
    assert document["session_token"] == WHOLE.session_token
    assert json.loads(as_json(LASTING))["expiration"] is None


def test_the_formats_are_those_of_the_help() -> None:
    """The names that stand in the help are those that there are."""
    assert tuple(FORMATS) == export.FORMATS


@pytest.mark.parametrize(
    ("options", "begins"),
    [
        ([], '{\n  "Version": 1,'),
        (["--format", "process"], '{\n  "Version": 1,'),
        (["--format", "env"], "export AWS_ACCESS_KEY_ID=AKIDTEST\n"),
        (["--format", "json"], '{\n  "access_key_id": "AKIDTEST"'),
        (["--json"], '{\n  "access_key_id": "AKIDTEST"'),
        (["--json", "--format", "env"], "export AWS_ACCESS_KEY_ID=AKIDTEST\n"),
        (["--format", "powershell"], "$Env:AWS_ACCESS_KEY_ID = 'AKIDTEST'\n"),
    ],
)
def test_each_format_is_printed(
    options: list[str], begins: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each format can be asked for, and is all that is printed."""
    with_keys(monkeypatch)
    assert main(["export", *options]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(begins)
    assert "canary-secret" in shown.out
    assert shown.err == ""


def test_a_profile_is_taken(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--profile`` wins over ``AWS_PROFILE`` and over keys in the environment."""
    write_config(isolated, "[profile one]\naws_access_key_id=AKIDONE\naws_secret_access_key=canary-one\n")
    with_keys(monkeypatch, AWS_PROFILE="other")
    assert main(["export", "--profile", "one"]) == 0
    assert json.loads(capsys.readouterr().out)["AccessKeyId"] == "AKIDONE"


@pytest.mark.parametrize("verb", [["export"], ["process"], ["exec", "--", "true"], ["serve"]])
def test_no_credentials_is_status_1(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without credentials nothing is printed on stdout, and stderr has the whole story, or one JSON object."""
    assert main(verb) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"anycreds {verb[0]}: none of ")
    assert "environment variables" in shown.err
    assert main([verb[0], "--json", *verb[1:]]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    document = json.loads(shown.err)
    assert (document["error"], document["command"]) == ("NoCredentialsError", None)
    assert document["message"].startswith("none of ")


@pytest.mark.parametrize("verb", [["export"], ["process"], ["exec", "--", "true"], ["serve"]])
def test_a_profile_that_is_missing_is_wrong_use(
    verb: list[str], isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile that is not there ends in status 2, and one line says what was meant, or which there are."""
    write_config(isolated, "[profile dev]\nregion=x\n[profile prod]\nregion=x\n")
    assert main([verb[0], "--profile", "deb", *verb[1:]]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "did you mean 'dev'?" in shown.err
    monkeypatch.setenv("AWS_PROFILE", "zzzzz")
    assert main(verb) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.endswith("; there is 'dev', 'prod'\n")


def test_only_some_of_many_profiles_are_named(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many profiles the first ten are named; where there are none, that is said."""
    assert main(["export", "--profile", "zzzzz"]) == 2
    assert capsys.readouterr().err.endswith("; there are no profiles\n")
    write_config(isolated, "".join(f"[profile p{number}]\nregion=x\n" for number in range(11)))
    assert main(["export", "--profile", "zzzzz"]) == 2
    assert capsys.readouterr().err.endswith("'p9', ...\n")


def test_a_source_that_is_missing_is_a_failure(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that names a missing one is no wrong use: status 1."""
    write_config(isolated, "[profile dev]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=gone\n")
    assert main(["export", "--profile", "dev"]) == 1
    assert "'gone'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "--format", "yaml"], ["'yaml'", "process", "env", "json", "powershell"]),
        (["export", "--profile", ""], ["--profile", "''"]),
        (["export", "--profile", " "], ["--profile", "' '"]),
        (["export", "--profile", "a\0b"], ["--profile", "name of a profile"]),
        (["explain", "--profile", ""], ["--profile", "''"]),
        (["export", "dev"], ["dev", "--format, --help, --json, --profile"]),
        (["process", "--format", "env"], ["--format", "--help, --json, --profile"]),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong options end in status 2, and one line that says what there is."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capsys.readouterr()
    assert (end.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert all(part in shown.err for part in told)


def test_characters_that_cannot_be_printed_are_an_error() -> None:
    """If the output's encoding lacks a character, nothing is printed, and no traceback either."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-\u00e9"}
    done = run_module("export", "--format", "env", environ={**keys, "PYTHONUTF8": "1", "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "standard output is ascii" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("verb", [["export"], ["explain"], ["explain", "--json"], ["demo"]])
def test_a_full_disk_is_told(verb: list[str]) -> None:
    """If the output cannot be written, one line says why, with status 1."""
    command = [sys.executable, "-m", "anycreds", *verb]
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret", "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command, env={**os.environ, **keys}, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot be written: No space left" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("verb", ["export", "explain", "demo"])
def test_a_closed_output_is_told(verb: str) -> None:
    """If there is no standard output at all, one line says so, with status 1."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m anycreds "$1" >&-', sys.executable, verb],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, f"anycreds {verb}: standard output is closed\n")


def test_little_is_loaded_for_keys_of_the_environment() -> None:
    """With keys in the environment, neither an HTTP library nor a backend that is not used is loaded."""
    heavy = {
        "httpx",
        "httpcore",
        "h11",
        "trio",
        "xml.parsers.expat",
        "logging",
        "email",
        "json",
        "anycreds._providers.profile.provider",
    }
    script = (
        "import sys; from anycreds._cli.main import run\n"
        "status = run(['export', '--format', 'env'])\n"
        f"print(status, sorted({heavy} & set(sys.modules)))"
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 ['logging']"  # asyncio has loggers
