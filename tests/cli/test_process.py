"""``process``: AWS tools get credentials from it, and profiles that run it for each other do not run without end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import botocore.session
import pytest

from anycreds.__main__ import main
from anycreds._cli._recursion_guard import MAX_DEPTH, VARIABLE
from cli.commands import run_module, write_config

ANYCREDS = f"{sys.executable} -m anycreds"
KEYS = "aws_access_key_id = AKIDBASE\naws_secret_access_key = canary-base\n"


def access_key_id(output: str) -> str:
    value: str = json.loads(output)["AccessKeyId"]
    return value


def test_botocore_gets_credentials(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore runs it as the ``credential_process`` of a profile, and gets the credentials of another profile."""
    account = "aws_session_token = canary-session\naws_account_id = 012345678901\n"
    write_config(
        isolated,
        f"[profile base]\n{KEYS}{account}[profile dev]\ncredential_process = {ANYCREDS} process --profile base\n",
    )
    monkeypatch.setenv("AWS_PROFILE", "dev")
    credentials = botocore.session.Session().get_credentials()
    assert credentials.method == "custom-process"
    frozen = credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKIDBASE", "canary-base", "canary-session")
    assert credentials.account_id == "012345678901"


def test_profile_may_run_anycreds_for_another_profile(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile may run anycreds for another profile, and that one for a third."""
    write_config(
        isolated,
        f"[profile a]\ncredential_process = {ANYCREDS} process --profile b\n"
        f"[profile b]\ncredential_process = AWS_PROFILE=c {ANYCREDS} export\n[profile c]\n{KEYS}",
    )
    assert main(["process", "--profile", "a"]) == 0
    assert access_key_id(capsys.readouterr().out) == "AKIDBASE"
    assert VARIABLE not in os.environ


@pytest.mark.fault("P11")
@pytest.mark.parametrize("command", ["process", "explain"])
def test_profile_loop_comes_to_an_end(
    command: str, isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile that runs anycreds for itself fails after a few processes, whichever command starts the loop."""
    depth = 0 if command == "process" else MAX_DEPTH - 1  # the other rounds would take time only
    monkeypatch.setenv(VARIABLE, str(depth))
    script, count = tmp_path / "script", tmp_path / "count"
    script.write_text(f"echo run >> {count}\nexec {ANYCREDS} process --profile dev\n")
    write_config(isolated, f"[profile dev]\ncredential_process = sh {script}\n")
    assert main([command, "--profile", "dev"]) == 1
    output = capsys.readouterr()
    assert "sh (credential_process from ~/.aws/config:2)" in " ".join((output.out + output.err).split())
    assert count.read_text() == "run\n" * (MAX_DEPTH - depth)
    assert os.environ[VARIABLE] == str(depth)


@pytest.mark.fault("P11")
def test_profile_loop_error() -> None:
    """The process that is too deep reports the profile loop and what to do, without trying any provider."""
    environ = {VARIABLE: str(MAX_DEPTH), "AWS_ACCESS_KEY_ID": "x"}
    done = run_module("process", "--profile", "dev", environ=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "anycreds process: profile loop: credential_process commands have run anycreds 4 times inside each other "
        "(let no credential_process run anycreds for its own profile, or for one that leads back to it)\n"
    )
    document = json.loads(run_module("process", "--json", environ=environ).stderr)
    assert document["error"] == "ProfileLoopError"
    assert document["hint"].startswith("let no credential_process run anycreds")


def test_depth_below_the_limit_is_accepted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A depth below the limit, or a value that is not a number, does not keep credentials from being found."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    for depth in ("3", "", "x", "-1", "\u00b2"):
        monkeypatch.setenv(VARIABLE, depth)
        assert (depth, main(["process"])) == (depth, 0)
        assert access_key_id(capsys.readouterr().out) == "AKIDTEST"


def test_same_profile_name_in_another_file(isolated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A command may run anycreds for a profile of the same name in another file, or for keys in the environment."""
    other = tmp_path / "other"
    other.write_text(f"[profile dev]\n{KEYS}")
    keys = "AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=canary-env"
    write_config(
        isolated,
        f"[profile dev]\ncredential_process = AWS_CONFIG_FILE={other} {ANYCREDS} process --profile dev\n"
        f"[default]\ncredential_process = {keys} {ANYCREDS} process\n",
    )
    for options, key in ((["--profile", "dev"], "AKIDBASE"), ([], "AKIDENV")):
        assert main(["process", *options]) == 0
        assert access_key_id(capsys.readouterr().out) == key
