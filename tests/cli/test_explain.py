"""``explain`` tells where credentials are looked for, what came of it and what to do, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anycreds._cli import main
from anycreds.testing import CANARY, FakeAWS, Forever, Hang, ResetAfter, Status

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-secret"}
SSO = (
    "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Reader\nregion = eu-central-1\n"
    "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
)


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit status and what was printed, on one line each paragraph."""
    status = main.run(["explain", *arguments])
    told = capsys.readouterr()
    assert told.err == ""
    assert CANARY not in told.out
    return status, " ".join(told.out.split())


def explained(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Return the exit status and the document."""
    status = main.run(["explain", "--json", *arguments])
    text = capsys.readouterr().out
    assert CANARY not in text
    return status, json.loads(text)


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def config(home: Path, text: str) -> None:
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text(text)


def test_keys_in_the_environment(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys in the environment win; what is behind them is not asked; the region and its origin are told."""
    set_all(monkeypatch, {**KEYS, "AWS_REGION": "eu-west-1"})
    status, told = explain(capsys)
    assert status == 0
    assert "1. AWS access keys (environment variables): FOUND" in told
    assert told.count("NOT ASKED") == 5
    assert "Credentials: AKIDENV, from environment variables They have no expiration." in told
    assert "https://sts.eu-west-1.amazonaws.com (region eu-west-1, AWS_REGION)" in told


def test_keys_in_the_environment_load_little(aws_isolated: Path) -> None:
    """With keys in the environment neither an event loop nor logging is loaded, though the files are read."""
    config(aws_isolated, "[default]\nregion = eu-north-1\n")
    told, names = run_program("from anycreds.__main__ import main; main(['explain'])")
    assert "FOUND" in told
    assert "https://sts.eu-north-1.amazonaws.com" in told
    heavy = {"asyncio", "difflib", "httpx", "json", "logging", "pathlib", "shutil", "ssl", "textwrap", "trio"}
    assert (names - run_program("import anyio")[1]) & heavy == set()


def run_program(program: str) -> tuple[str, set[str]]:
    """Run a program with the keys; return what it prints, and the names of the modules that it loads."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        text=True,
        timeout=30,
        check=True,
    )
    told, _, names = done.stdout.strip().rpartition("\n")
    return told, set(names.split())


@pytest.mark.parametrize("half", KEYS)
def test_half_a_pair(
    half: str, aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One variable of the two is broken, not absent, and nothing behind it is asked."""
    monkeypatch.setenv(half, KEYS[half])
    status, told = explain(capsys)
    assert status == 1
    assert "1. AWS access keys (environment variables): FAILED" in told
    assert told.count("NOT ASKED") == 5


def test_missing_profile(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt profile fails, with close names; keys that lie around are told to be unused."""
    config(aws_isolated, "[profile production]\nregion = eu-west-1\n")
    set_all(monkeypatch, {**KEYS, "AWS_PROFILE": "prodution"})
    status, told = explain(capsys)
    assert status == 1
    assert "profile 'prodution' is named (AWS_PROFILE), so it comes first" in told
    assert "1. Shared config and credentials files: FAILED" in told
    assert "did you mean 'production'?" in told
    assert "Note: keys are set in the environment, but a profile is named (AWS_PROFILE)" in told
    assert told.count("NOT ASKED") == 4
    assert (
        "No credentials: profile 'prodution' does not exist. - name one that there is: 'production' "
        "- or make this one: aws configure sso --profile prodution - or name none: unset AWS_PROFILE"
    ) in told


def test_missing_profile_of_an_option(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who names a profile by the option where there are none is told to leave it out; odd names are quoted."""
    status, told = explain(capsys, "--profile", "a b")
    assert status == 1
    assert "profile 'a b' is named (--profile), so it comes first" in told
    assert "does not exist. - or make this one: aws configure sso --profile 'a b' - or name none: leave out" in told
    told = explain(capsys, "--profile", "a\x1b[31m")[1]
    assert "does not exist. - or name none: leave out --profile" in told
    assert "\x1b" not in told


def test_missing_source(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile that is there, but names one that is not, fails by its own error, and the hint is what to do."""
    config(aws_isolated, "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = bose\n[profile base]\n")
    told = explain(capsys)[1]
    assert "No credentials: shared files is configured, and failed. - did you mean 'base'?" in told


def test_ended_sign_in(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sign-in that has ended is told with the exact command, in the text and in the document."""
    config(aws_isolated, SSO)
    status, told = explain(capsys)
    assert status == 1
    assert "2. IAM Identity Center credential provider: FAILED" in told
    assert "run: aws sso login --profile default" in told
    status, document = explained(capsys)
    assert [source["outcome"] for source in document["sources"]] == ["nothing", "failed", *["not asked"] * 4]
    assert document["sources"][1]["error"] == "LoginRequiredError"
    assert document["sources"][1]["command"] == "aws sso login --profile default"


def test_nothing_at_all(aws_isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine with nothing configured each source says what it looked for, and a newcomer what to do next."""
    status, told = explain(capsys)
    assert status == 1
    assert told.count("NOTHING") == 6
    assert "EC2 metadata is disabled by AWS_EC2_METADATA_DISABLED" in told
    assert "hop-limit" not in told
    assert "No credentials: none of these sources has anything configured. What you can do:" in told
    assert "aws login" in told
    status, document = explained(capsys)
    assert (status, document["credentials"]) == (1, None)
    assert document["profile"] == {"name": "default", "origin": "the default", "named": False}
    assert document["sts"] == {
        "host": "https://sts.us-east-1.amazonaws.com",
        "origin": "region us-east-1, the default",
    }


@pytest.mark.parametrize("fault", [Hang(), ResetAfter(0)], ids=["silent", "reset"])
def test_hop_limit(
    fault: Hang | ResetAfter,
    aws_isolated: Path,
    fake_aws: FakeAWS,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A metadata service that takes the request and never answers, as with a hop limit of 1, is told with its cause.

    The command that mends it is among the next steps.
    """
    set_all(monkeypatch, fake_aws.metadata_environ())
    fake_aws.script("token", Forever(fault))
    status, told = explain(capsys)
    assert status == 1
    assert "6. IMDS credential provider: NOTHING" in told
    assert "not an EC2 instance" not in told
    steps = told.partition("What you can do:")[2]
    assert "HttpPutResponseHopLimit" in steps
    assert "aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2" in steps


def test_no_role_attached(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An instance without a role says so."""
    set_all(monkeypatch, fake_aws.metadata_environ())
    fake_aws.role_name = None
    told = explain(capsys)[1]
    assert "no role attached to this EC2 instance hint attach one: aws ec2 associate-iam-instance-profile" in told
    assert "hop-limit" not in told


def test_role_of_the_instance(
    aws_isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found is told with its source and end."""
    set_all(monkeypatch, fake_aws.metadata_environ())
    status, told = explain(capsys)
    assert status == 0
    assert "from EC2 instance metadata They end at" in told
    assert "in 5 h 59 min" in told or "in 6 h 0 min" in told
    fake_aws.script("role", Status(500))
    assert explain(capsys)[0] == 1


def test_bad_region_and_bad_lines(
    aws_isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A region that can be none is told with its origin, and so is a line that was not understood."""
    config(aws_isolated, "[default]\nregion = evil.example/\n[profile other]\nbroken\n")
    set_all(monkeypatch, KEYS)
    told = explain(capsys)[1]
    assert "Region: the region from ~/.aws/config:2 cannot be a part of a host name" in told


def test_characters_that_cannot_be_printed_are_escaped(aws_isolated: Path) -> None:
    """Where the output's encoding lacks a character, as in a bare container, it is told all the same."""
    done = subprocess.run(
        [sys.executable, "-m", "anycreds", "explain", "--profile", "pr\u00f6d"],
        env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "profile 'pr\\xf6d'" in done.stdout


def test_as_a_program(aws_isolated: Path) -> None:
    """It runs as ``python -m anycreds explain``, with the exit status that it has to have."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "anycreds", "explain"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "What you can do:" in done.stdout
