"""``exec``: the command has these credentials and no others, and is on its own: its process, signals and status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from anycreds.__main__ import main
from anycreds._cli import exec as exec_
from anycreds._cli._formats import IDENTITY_VARIABLES
from anycreds._cli._recursion_guard import VARIABLE
from cli.commands import HOSTILE, MODULE, run_module, write_config

# What SDKs look at, from their documentation.
EVERY_WAY = (
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_CREDENTIAL_SCOPE",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": f"canary-secret {HOSTILE}"}
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
posix = pytest.mark.skipif(os.name != "posix", reason="a process takes another's place on POSIX only")


def shown_by(*options: str, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment that a command gets."""
    done = run_module("exec", *options, "--", sys.executable, "-c", SHOW, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, str] = json.loads(done.stdout)[1]
    return found


def test_the_command_has_these_credentials_and_no_others(isolated: Path) -> None:
    """All variables by which SDKs find credentials are gone but for those of the set; the rest is as it was."""
    write_config(isolated, "[profile dev]\naws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n")
    assert set(IDENTITY_VARIABLES) == set(EVERY_WAY)
    stale = dict.fromkeys(EVERY_WAY, "canary-stale") | {"AWS_PROFILE": "dev", "OTHER": "kept"}
    found = shown_by(environ=stale)
    assert {name: found[name] for name in EVERY_WAY if name in found} == {
        "AWS_ACCESS_KEY_ID": "AKIDDEV",
        "AWS_SECRET_ACCESS_KEY": "canary-dev",
    }
    assert found["OTHER"] == "kept"
    assert found["AWS_CONFIG_FILE"] == os.environ["AWS_CONFIG_FILE"]
    assert VARIABLE not in found


def test_all_of_the_set_is_carried() -> None:
    """Token, end, account and scope go along, character by character."""
    more = {
        "AWS_SESSION_TOKEN": f"canary-session {HOSTILE}",
        "AWS_CREDENTIAL_EXPIRATION": "2999-01-01T00:00:00Z",
        "AWS_ACCOUNT_ID": "012345678901",
        "AWS_CREDENTIAL_SCOPE": "eu-west-1",
    }
    found = shown_by(environ=KEYS | more)
    assert {name: found[name] for name in KEYS | more} == KEYS | more


@pytest.mark.parametrize(
    ("options", "environ", "regions"),
    [
        (["--profile", "dev"], {}, ["eu-west-1", "eu-west-1"]),
        ([], {"AWS_PROFILE": "dev"}, ["eu-west-1", "eu-west-1"]),
        (["--profile", "dev"], {"AWS_REGION": "mine"}, ["mine", None]),
        (["--profile", "dev"], {"AWS_DEFAULT_REGION": "mine"}, [None, "mine"]),
        (["--profile", "none"], {}, [None, None]),
        ([], {}, [None, None]),
    ],
)
def test_the_region_of_a_named_profile_goes_along(
    options: list[str], environ: dict[str, str], regions: list[str | None], isolated: Path
) -> None:
    """The profile's name is taken away, so its region is given instead, unless one is set."""
    keys = "aws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n"
    config = f"[profile dev]\nregion=eu-west-1\n{keys}[default]\nregion=us-west-2\n{keys}[profile none]\n{keys}"
    write_config(isolated, config)
    found = shown_by(*options, environ=environ)
    assert [found.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")] == regions


def test_words_are_passed_on_as_they_came() -> None:
    """Options, further dashes and odd characters belong to the command."""
    words = ["--profile", "x", "--", "-h", "", HOSTILE]
    done = run_module("exec", "--", sys.executable, "-c", SHOW, *words, environ=KEYS)
    assert json.loads(done.stdout)[0] == words


@pytest.mark.parametrize("arguments", [[], ["--"], ["--", ""], ["ls"], ["ls", "--", "-l"], ["--profile", "x", "ls"]])
def test_the_dashes_are_needed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--`` and a command, one line says how it is meant, with status 2."""
    with pytest.raises(SystemExit) as end:
        main(["exec", *arguments])
    shown = capsys.readouterr()
    assert (end.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert "anycreds exec [--profile NAME] -- COMMAND" in shown.err


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """An option that there is not is told, and nothing is run."""
    with pytest.raises(SystemExit) as end:
        main(["exec", "--bogus", "--", "true"])
    assert end.value.code == 2
    assert "unknown: --bogus" in capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 1, 42])
def test_the_status_is_the_commands(status: int) -> None:
    """The exit status is that of the command, and so is what it prints."""
    done = run_module("exec", "--", sys.executable, "-c", f"print('hi'); raise SystemExit({status})", environ=KEYS)
    assert (done.returncode, done.stdout, done.stderr) == (status, "hi\n", "")


@posix
def test_the_command_takes_the_place_of_the_process() -> None:
    """The command is the very process that was started, and no signal is ignored in it that was not before."""
    script = 'echo $$; kill -PIPE $$; echo "still there"'
    with subprocess.Popen(
        [*MODULE, "exec", "--", "/bin/sh", "-c", script], env={**os.environ, **KEYS}, stdout=subprocess.PIPE, text=True
    ) as process:
        out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (f"{process.pid}\n", -signal.SIGPIPE)


@posix
def test_commands_that_cannot_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not found ends in 127, what cannot be executed in 126, as in shells; and nothing of us has changed."""
    before = signal.getsignal(signal.SIGPIPE)
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for command, status, told in (
            ("not-there-at-all", 127, "not found"),
            (f"{plain}/x", 127, "not found"),
            (str(plain), 126, "Permission denied"),
            (str(tmp_path), 126, "Permission denied"),
        ):
            assert main(["exec", "--", command]) == status
            assert capsys.readouterr().err == f"anycreds exec: {command}: {told}\n"
        plain.chmod(0o700)
        assert main(["exec", "--", str(plain)]) == 126
        assert "Exec format error" in capsys.readouterr().err
        assert main(["exec", "--", "true", "a\0b"]) == 1
        assert "cannot be passed on" in capsys.readouterr().err
        assert main(["exec", "--json", "--", "not-there-at-all"]) == 127
        assert json.loads(capsys.readouterr().err)["message"] == "not-there-at-all: not found"
    assert signal.getsignal(signal.SIGPIPE) is before


def test_where_no_process_takes_anothers_place(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On Windows the command is a child that is waited for; its status is passed on, and Control-C is its own."""
    monkeypatch.setattr(exec_, "_REPLACES_ITSELF", False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    script = "import os; print(os.environ['AWS_ACCESS_KEY_ID']); raise SystemExit(7)"
    before = signal.getsignal(signal.SIGINT)
    assert main(["exec", "--", sys.executable, "-c", script]) == 7
    assert capfd.readouterr().out == "AKIDTEST\n"
    assert signal.getsignal(signal.SIGINT) is before
    assert main(["exec", "--", "not-there-at-all"]) == 127


@posix
def test_who_was_run_can_run_us(isolated: Path) -> None:
    """A command may ask for the same profile once more: that is no circle, unless the profile itself runs all that."""
    keys = "aws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n"
    us = " ".join(MODULE)
    circle = f"{us} exec --profile dev -- {us} process --profile circle"
    write_config(isolated, f"[profile dev]\n{keys}[profile circle]\ncredential_process = {circle}\n")
    done = run_module("exec", "--profile", "dev", "--", *MODULE, "exec", "--profile", "dev", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    done = run_module("exec", "--profile", "circle", "--", "true")
    assert done.returncode == 1
    assert "circle" in done.stderr
