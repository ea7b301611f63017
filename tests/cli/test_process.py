"""``process``: AWS tools take credentials from it, and profiles that run it for each other come to an end."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import botocore.session
import pytest

from anycreds.__main__ import main
from anycreds._cli._recursion_guard import DEEPEST, VARIABLE, asked_for
from cli.commands import run_module, write_config

US = f"{sys.executable} -m anycreds"
KEYS = "aws_access_key_id = AKIDBASE\naws_secret_access_key = canary-base\n"


def key_of(shown: str) -> str:
    key: str = json.loads(shown)["AccessKeyId"]
    return key


def test_botocore_takes_credentials_from_it(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore runs it as the ``credential_process`` of a profile, and has the whole set of another profile."""
    account = "aws_session_token = canary-session\naws_account_id = 012345678901\n"
    write_config(
        isolated,
        f"[profile base]\n{KEYS}{account}[profile dev]\ncredential_process = {US} process --profile base\n",
    )
    monkeypatch.setenv("AWS_PROFILE", "dev")
    credentials = botocore.session.Session().get_credentials()
    assert credentials.method == "custom-process"
    frozen = credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKIDBASE", "canary-base", "canary-session")
    assert credentials.account_id == "012345678901"


def test_we_take_credentials_from_ourselves(isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile may run us for another profile, which may run us for a third."""
    write_config(
        isolated,
        f"[profile a]\ncredential_process = {US} process --profile b\n"
        f"[profile b]\ncredential_process = AWS_PROFILE=c {US} export\n[profile c]\n{KEYS}",
    )
    assert main(["process", "--profile", "a"]) == 0
    assert key_of(capsys.readouterr().out) == "AKIDBASE"
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    ("config", "named", "circle"),
    [
        (
            f"[profile dev]\ncredential_process = {US} process --profile dev\n",
            ["--profile", "dev"],
            "'dev' (~/.aws/config:2) -> 'dev' (",
        ),
        (f"[default]\ncredential_process = {US} process\n", [], "'default' (~/.aws/config:2) -> 'default' ("),
        (
            (
                f"[profile dev]\ncredential_process = {US} export --profile=b\n"
                f"[profile b]\ncredential_process = AWS_PROFILE=dev {US} process\n"
            ),
            ["--profile", "dev"],
            "'dev' (~/.aws/config:2) -> 'b' (~/.aws/config:4) -> 'dev' (",
        ),
        (
            (
                f"[profile dev]\ncredential_process = {US} process --profile role\n"
                "[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = dev\n"
            ),
            ["--profile", "dev"],
            "'dev' (~/.aws/config:2) -> 'role' (~/.aws/config:2) -> 'role' (",
        ),
    ],
    ids=["itself", "default", "through another", "through a role"],
)
def test_a_circle_is_told(
    config: str, named: list[str], circle: str, isolated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile that runs us for itself, however, is an error that shows the circle with file and line."""
    write_config(isolated, config)
    assert main(["process", *named]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert f"profiles run anycreds for each other: {circle}" in shown.err
    assert VARIABLE not in os.environ
    assert main(["explain", *named]) == 1
    assert f"profiles run anycreds for each other: {circle[:-2]}" in " ".join(capsys.readouterr().out.split())


def test_a_hidden_circle_ends_all_the_same(isolated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the files do not show the circle, as a script runs us, it is run through once and fails."""
    script, count = tmp_path / "script", tmp_path / "count"
    script.write_text(f"echo run >> {count}\nexec {US} process --profile dev\n")
    write_config(isolated, f"[profile dev]\ncredential_process = sh {script}\n")
    assert main(["process", "--profile", "dev"]) == 1
    assert "sh (credential_process from ~/.aws/config:2) ended with exit code 1" in capsys.readouterr().err
    assert count.read_text() == "run\n"


def test_who_is_asked_again_says_so(isolated: Path) -> None:
    """The process that finds its own profile in the chain says so, without a look at any source."""
    done = run_module("process", "--profile", "dev", environ={VARIABLE: chain("dev"), "AWS_ACCESS_KEY_ID": "x"})
    assert (done.returncode, done.stdout) == (1, "")
    assert "profiles run anycreds for each other: 'dev' -> 'dev' (" in done.stderr


def test_a_chain_has_an_end() -> None:
    """However many profiles there are, no more than a few processes wait for each other."""
    profiles = [f"p{number}" for number in range(DEEPEST)]
    keys = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
    done = run_module("process", "--profile", "more", environ={VARIABLE: chain(*profiles), **keys})
    assert done.returncode == 1
    assert "'p7' -> 'more'" in done.stderr
    done = run_module("process", "--profile", "more", environ={VARIABLE: chain(*profiles[1:]), **keys})
    assert "'more' could not be found in" in done.stderr


def chain(*profiles: str) -> str:
    files = (os.environ["AWS_CONFIG_FILE"], os.environ["AWS_SHARED_CREDENTIALS_FILE"])
    return "\n".join("\t".join((profile, *files)) for profile in profiles)


def test_the_same_name_elsewhere_is_no_circle(
    isolated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A profile of the same name in another file is another one, and keys that a command sets are no profile."""
    other = tmp_path / "other"
    other.write_text(f"[profile dev]\n{KEYS}")
    write_config(
        isolated,
        f"[profile dev]\ncredential_process = AWS_CONFIG_FILE={other} {US} process --profile dev\n"
        f"[default]\ncredential_process = AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=canary-env {US} process\n",
    )
    for named, key in ((["--profile", "dev"], "AKIDBASE"), ([], "AKIDENV")):
        assert main(["process", *named]) == 0
        assert key_of(capsys.readouterr().out) == key


@pytest.mark.parametrize(
    ("command", "profile"),
    [
        ("anycreds process --profile dev", "dev"),
        ("/opt/bin/anycreds process --profile=dev", "dev"),
        (r"'C:\bin\anycreds.exe' export --profile 'my dev'", "my dev"),
        ("python3 -m anycreds process", "default"),
        ("AWS_PROFILE=b anycreds process", "b"),
        ("AWS_PROFILE=b anycreds process --profile c", "c"),
        ("anycreds serve --profile dev", None),
        ("aws-vault export --profile dev", None),
        ("echo process anycreds.json", None),
        ("anycreds process --profile 'dev", None),
        ("", None),
    ],
)
def test_which_profile_a_command_asks_for(command: str, profile: str | None) -> None:
    """The profile for which a command runs us is read from its words; what cannot be told is none."""
    assert asked_for(command) == profile


def test_errors_as_json(capsys: pytest.CaptureFixture[str], isolated: Path) -> None:
    """With ``--json`` a circle, too, is one JSON object, with the hint by itself."""
    write_config(isolated, f"[profile dev]\ncredential_process = {US} process --profile dev\n")
    assert main(["process", "--profile", "dev", "--json"]) == 1
    document = json.loads(capsys.readouterr().err)
    assert document["error"] == "InvalidConfigurationError"
    assert "must not run anycreds" in document["hint"]
