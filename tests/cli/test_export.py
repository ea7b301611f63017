"""``export``: shells and programs read the output without change, and nothing else is printed."""

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
from anycreds._cli._formats import as_env, as_json, as_powershell, as_process
from anycreds._providers.process.api import parse_credentials
from cli.commands import HOSTILE, run_module, write_config
from support.unmeasured import environ_without_coverage

END = datetime(2999, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
KEYS = Credentials("AKIDTEST", "canary-secret")
FULL = Credentials(
    "ASIATEST",
    f"canary-secret {HOSTILE}",
    f"canary-session {HOSTILE}",
    expiration=END,
    account_id="012345678901",
    credential_scope="eu-west-1",
    source="a test",
)
VARIABLES = {
    "AWS_ACCESS_KEY_ID": FULL.access_key_id,
    "AWS_SECRET_ACCESS_KEY": FULL.secret_access_key,
    "AWS_SESSION_TOKEN": FULL.session_token,
    "AWS_CREDENTIAL_EXPIRATION": "2999-01-02T03:04:05Z",
    "AWS_ACCOUNT_ID": "012345678901",
    "AWS_CREDENTIAL_SCOPE": "eu-west-1",
}
OLD_VARIABLES = {
    "AWS_SESSION_TOKEN": "old",
    "AWS_SECURITY_TOKEN": "older",
    "AWS_CREDENTIAL_EXPIRATION": "2001-01-01T00:00:00Z",
    "AWS_ACCOUNT_ID": "1",
    "AWS_CREDENTIAL_SCOPE": "x",
    "AWS_PROFILE": "old",
    "AWS_DEFAULT_PROFILE": "older",
}
SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "ksh", "busybox") if shutil.which(shell)]


def with_keys(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    for name, value in more.items():
        monkeypatch.setenv(name, value)


def evaluated(shell: str, text: str, folder: Path) -> dict[str, str]:
    """Let a shell evaluate the text as documented, and return the AWS variables of a program that it starts."""
    show = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n.startswith('AWS_')}))"
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*command, "-uc", 'eval "$(cat "$0")" && "$1" -c "$2"', str(folder / "text"), sys.executable, show],
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **OLD_VARIABLES},
        cwd=folder,
        capture_output=True,
        timeout=30,  # seconds, for a shell and an interpreter
        check=True,
    )
    assert done.stderr == b""
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_posix_shells_set_the_variables(shell: str, tmp_path: Path) -> None:
    """A POSIX shell sets exactly these variables, unsets old ones, and runs nothing from the values."""
    for credentials, expected in ((FULL, VARIABLES), (KEYS, {**variables_of(KEYS)})):
        (tmp_path / "text").write_text(as_env(credentials), encoding="utf-8")
        assert evaluated(shell, as_env(credentials), tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("text", "home")] == []


def variables_of(credentials: Credentials) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }


def test_powershell_syntax() -> None:
    """By the rules of PowerShell each value is one verbatim string, in which all single quotes are doubled."""
    string = r"'((?:[^'\u2018\u2019\u201a\u201b]|(?:['\u2018\u2019\u201a\u201b]{2}))*)'"
    found: dict[str, str | None] = {}
    for line in as_powershell(FULL).splitlines():
        match = re.fullmatch(rf"\$Env:(\w+) = (?:{string}|\$null)", line)
        assert match, line.partition("=")[0]
        value = match[2]
        found[match[1]] = None if value is None else re.sub("(['\u2018\u2019\u201a\u201b]).", r"\1", value)
    assert found == {**VARIABLES, "AWS_SECURITY_TOKEN": None, "AWS_PROFILE": None, "AWS_DEFAULT_PROFILE": None}
    assert "$Env:AWS_SESSION_TOKEN = $null" in as_powershell(KEYS).splitlines()


@pytest.mark.skipif(not shutil.which("pwsh"), reason="needs PowerShell (pwsh)")
def test_powershell_sets_the_variables(tmp_path: Path) -> None:
    """PowerShell sets exactly these variables."""
    script = tmp_path / "lines.ps1"
    script.write_text(f"{as_powershell(FULL)}\nGet-ChildItem Env:AWS_* | ConvertTo-Json", encoding="utf-8-sig")
    done = subprocess.run(["pwsh", "-NoProfile", "-File", script], capture_output=True, timeout=60, check=True)
    found = {one["Name"]: one["Value"] for one in json.loads(done.stdout)}
    assert {name: value for name, value in found.items() if name in VARIABLES} == VARIABLES


@pytest.mark.parametrize("credentials", [FULL, KEYS], ids=["full", "keys"])
def test_process_format_is_parsed_as_the_same_credentials(credentials: Credentials) -> None:
    """The output for ``credential_process`` is parsed as the same credentials, with whole seconds."""
    read = parse_credentials(as_process(credentials).encode(), "it")
    assert isinstance(read, Credentials)
    end = None if credentials.expiration is None else END.replace(microsecond=0)
    assert read == credentials.replace(expiration=end, source="credential process")


def test_json_has_every_field() -> None:
    """The JSON format has each field by its name, and null for a field that is not set."""
    document = json.loads(as_json(FULL))
    assert document.keys() == set(Credentials.__slots__)
    assert document["expiration"] == "2999-01-02T03:04:05Z"
    assert document["session_token"] == FULL.session_token
    assert json.loads(as_json(KEYS))["expiration"] is None


FORMATS = [
    ([], '{\n  "Version": 1,'),
    (["--format", "process"], '{\n  "Version": 1,'),
    (["--format", "env"], "export AWS_ACCESS_KEY_ID=AKIDTEST\n"),
    (["--format", "json"], '{\n  "access_key_id": "AKIDTEST"'),
    (["--json"], '{\n  "access_key_id": "AKIDTEST"'),
    (["--json", "--format", "env"], "export AWS_ACCESS_KEY_ID=AKIDTEST\n"),
    (["--format", "powershell"], "$Env:AWS_ACCESS_KEY_ID = 'AKIDTEST'\n"),
]


def test_each_format_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each format can be selected, and nothing else is printed."""
    with_keys(monkeypatch)
    for options, begins in FORMATS:
        assert main(["export", *options]) == 0
        output = capsys.readouterr()
        assert output.out.startswith(begins), options
        assert "canary-secret" in output.out, options
        assert output.err == "", options


def test_profile_option(isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``--profile`` takes precedence over ``AWS_PROFILE`` and over keys in the environment."""
    write_config(isolated, "[profile one]\naws_access_key_id=AKIDONE\naws_secret_access_key=canary-one\n")
    with_keys(monkeypatch, AWS_PROFILE="other")
    assert main(["export", "--profile", "one"]) == 0
    assert json.loads(capsys.readouterr().out)["AccessKeyId"] == "AKIDONE"


@pytest.mark.parametrize("command", [["export"], ["process"], ["exec", "--", "true"], ["serve"]])
def test_no_credentials_found(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without credentials the status is 1, and stderr has the reasons of all providers, or one JSON object."""
    assert main(command) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"anycreds {command[0]}: default chain: no credentials found: none of ")
    assert "environment variables" in output.err
    assert main([command[0], "--json", *command[1:]]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    document = json.loads(output.err)
    assert (document["error"], document["command"]) == ("NoCredentialsError", None)
    assert "no credentials found: none of " in document["message"]


@pytest.mark.parametrize("command", [["export"], ["process"], ["exec", "--", "true"], ["serve"]])
def test_missing_profile_is_wrong_use(
    command: list[str], isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing profile exits with 2, and one line suggests a similar name, or lists the existing profiles."""
    write_config(isolated, "[profile dev]\nregion=x\n[profile prod]\nregion=x\n")
    assert main([command[0], "--profile", "deb", *command[1:]]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert "it is selected by --profile (did you mean 'dev'?)" in output.err
    monkeypatch.setenv("AWS_PROFILE", "zzzzz")
    assert main(command) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert output.err.endswith("; existing profiles: 'dev', 'prod'\n")


def test_only_ten_profiles_are_listed(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many profiles the first ten are listed. If there are none, the error says so."""
    assert main(["export", "--profile", "zzzzz"]) == 2
    assert capsys.readouterr().err.endswith("; there are no profiles\n")
    write_config(isolated, "".join(f"[profile p{number}]\nregion=x\n" for number in range(11)))
    assert main(["export", "--profile", "zzzzz"]) == 2
    assert capsys.readouterr().err.endswith("'p9', ...\n")


def test_missing_source_profile_is_a_failure(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If an existing profile refers to a missing one, the status is 1."""
    write_config(isolated, "[profile dev]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=gone\n")
    assert main(["export", "--profile", "dev"]) == 1
    assert "'gone'" in capsys.readouterr().err


def test_characters_that_cannot_be_encoded_are_an_error() -> None:
    """If the encoding of the output lacks a character, one line says so, and nothing is printed."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-\u00e9"}
    done = run_module("export", "--format", "env", environ={**keys, "PYTHONUTF8": "1", "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "unable to write to standard output: its encoding is ascii" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("command", [["export"], ["explain"], ["explain", "--json"], ["demo"]])
def test_full_disk_is_reported(command: list[str]) -> None:
    """If the output cannot be written, one line says why, with status 1."""
    words = [sys.executable, "-m", "anycreds", *command]
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret", "PYTHONUNBUFFERED": ""}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            words, env={**os.environ, **keys}, stdout=full, stderr=subprocess.PIPE, text=True, timeout=30, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "unable to write to standard output: No space left" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("command", ["export", "explain", "demo"])
def test_closed_output_is_reported(command: str) -> None:
    """If standard output is closed, one line says so, with status 1."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m anycreds "$1" >&-', sys.executable, command],
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, f"anycreds {command}: standard output is closed\n")


def test_few_modules_are_imported_for_environment_keys() -> None:
    """With keys in the environment, neither an HTTP library nor an unused backend is imported."""
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
        env={**environ_without_coverage(), **keys},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 ['logging']"  # asyncio imports logging
