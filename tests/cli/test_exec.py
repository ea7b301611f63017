"""``exec``: the command gets these credentials and no others, and has its own process, signals and exit status."""

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
from anycreds._cli._formats import CREDENTIAL_VARIABLES
from anycreds._cli._recursion_guard import MAX_DEPTH, VARIABLE
from cli.commands import HOSTILE, MODULE, run_module, write_config

# The credential variables of all SDKs, from their documentation.
ALL_VARIABLES = (
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
posix = pytest.mark.skipif(os.name != "posix", reason="processes can be replaced on POSIX only")


def environment_of_command(*options: str, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment that the command gets."""
    done = run_module("exec", *options, "--", sys.executable, "-c", SHOW, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, str] = json.loads(done.stdout)[1]
    return found


def test_command_gets_these_credentials_and_no_others(isolated: Path) -> None:
    """Other credential variables are removed; all other variables are unchanged."""
    write_config(isolated, "[profile dev]\naws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n")
    assert set(CREDENTIAL_VARIABLES) == set(ALL_VARIABLES)
    stale = dict.fromkeys(ALL_VARIABLES, "canary-stale") | {"AWS_PROFILE": "dev", "OTHER": "kept"}
    found = environment_of_command(environ=stale)
    assert {name: found[name] for name in ALL_VARIABLES if name in found} == {
        "AWS_ACCESS_KEY_ID": "AKIDDEV",
        "AWS_SECRET_ACCESS_KEY": "canary-dev",
    }
    assert found["OTHER"] == "kept"
    assert found["AWS_CONFIG_FILE"] == os.environ["AWS_CONFIG_FILE"]
    assert VARIABLE not in found


def test_command_gets_every_field() -> None:
    """The command gets token, expiration, account and scope unchanged."""
    more = {
        "AWS_SESSION_TOKEN": f"canary-session {HOSTILE}",
        "AWS_CREDENTIAL_EXPIRATION": "2999-01-01T00:00:00Z",
        "AWS_ACCOUNT_ID": "012345678901",
        "AWS_CREDENTIAL_SCOPE": "eu-west-1",
    }
    found = environment_of_command(environ=KEYS | more)
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
def test_command_gets_the_region_of_a_selected_profile(
    options: list[str], environ: dict[str, str], regions: list[str | None], isolated: Path
) -> None:
    """AWS_PROFILE is removed, so the region of the profile is set, unless a region variable is set."""
    keys = "aws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n"
    config = f"[profile dev]\nregion=eu-west-1\n{keys}[default]\nregion=us-west-2\n{keys}[profile none]\n{keys}"
    write_config(isolated, config)
    found = environment_of_command(*options, environ=environ)
    assert [found.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")] == regions


def test_arguments_are_passed_on_unchanged() -> None:
    """Options, further dashes and special characters belong to the command."""
    words = ["--profile", "x", "--", "-h", "", HOSTILE]
    done = run_module("exec", "--", sys.executable, "-c", SHOW, *words, environ=KEYS)
    assert json.loads(done.stdout)[0] == words


def test_dashes_are_required(capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--`` and a command, one line shows the usage, with status 2."""
    for arguments in ([], ["--"], ["--", ""], ["ls"], ["ls", "--", "-l"], ["--profile", "x", "ls"]):
        with pytest.raises(SystemExit) as end:
            main(["exec", *arguments])
        output = capsys.readouterr()
        assert (arguments, end.value.code, output.out, output.err.count("\n")) == (arguments, 2, "", 1)
        assert "anycreds exec [--profile NAME] -- COMMAND" in output.err, arguments


def test_unknown_option_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown option is reported, and no command is run."""
    with pytest.raises(SystemExit) as end:
        main(["exec", "--bogus", "--", "true"])
    assert end.value.code == 2
    assert "unknown: --bogus" in capsys.readouterr().err


@pytest.mark.parametrize("status", [0, 42])
def test_exit_status_of_the_command(status: int) -> None:
    """Exit status and output are those of the command."""
    done = run_module("exec", "--", sys.executable, "-c", f"print('hi'); raise SystemExit({status})", environ=KEYS)
    assert (done.returncode, done.stdout, done.stderr) == (status, "hi\n", "")


@posix
def test_command_replaces_the_process() -> None:
    """The command has the id of the process, and does not inherit the signals that Python ignores."""
    script = 'echo $$; kill -PIPE $$; echo "still there"'
    with subprocess.Popen(
        [*MODULE, "exec", "--", "/bin/sh", "-c", script], env={**os.environ, **KEYS}, stdout=subprocess.PIPE, text=True
    ) as process:
        out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (f"{process.pid}\n", -signal.SIGPIPE)


@posix
def test_command_cannot_be_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in shells, the status is 127 for a missing command and 126 for one that cannot be executed."""
    before = signal.getsignal(signal.SIGPIPE)
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for command, status, reason in (
            ("not-there-at-all", 127, "not found"),
            (f"{plain}/x", 127, "not found"),
            (str(plain), 126, "Permission denied"),
            (str(tmp_path), 126, "Permission denied"),
        ):
            assert main(["exec", "--", command]) == status
            assert capsys.readouterr().err == f"anycreds exec: {command}: {reason}\n"
        plain.chmod(0o700)
        assert main(["exec", "--", str(plain)]) == 126
        assert "Exec format error" in capsys.readouterr().err
        assert main(["exec", "--", "true", "a\0b"]) == 1
        assert "cannot be passed on" in capsys.readouterr().err
        assert main(["exec", "--json", "--", "not-there-at-all"]) == 127
        assert json.loads(capsys.readouterr().err)["message"] == "not-there-at-all: not found"
    assert signal.getsignal(signal.SIGPIPE) is before


def test_command_as_a_child_process(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """On Windows the command is a child process, which handles Control-C; its status is passed on."""
    monkeypatch.setattr(exec_, "_CAN_REPLACE_PROCESS", False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    script = "import os; print(os.environ['AWS_ACCESS_KEY_ID']); raise SystemExit(7)"
    before = signal.getsignal(signal.SIGINT)
    assert main(["exec", "--", sys.executable, "-c", script]) == 7
    assert capfd.readouterr().out == "AKIDTEST\n"
    assert signal.getsignal(signal.SIGINT) is before
    assert main(["exec", "--", "not-there-at-all"]) == 127


@posix
def test_command_may_run_anycreds(isolated: Path) -> None:
    """A command may run anycreds for the same profile. A profile that runs such a command for itself is a loop."""
    keys = "aws_access_key_id=AKIDDEV\naws_secret_access_key=canary-dev\n"
    us = " ".join(MODULE)
    circle = f"{us} exec --profile dev -- {us} process --profile circle"
    write_config(isolated, f"[profile dev]\n{keys}[profile circle]\ncredential_process = {circle}\n")
    done = run_module("exec", "--profile", "dev", "--", *MODULE, "exec", "--profile", "dev", "--", "true")
    assert (done.returncode, done.stderr) == (0, "")
    depth = {VARIABLE: str(MAX_DEPTH - 2)}  # saves the time of two rounds
    done = run_module("exec", "--profile", "circle", "--", "true", environ=depth)
    assert done.returncode == 1
    assert "exited with code 1" in done.stderr
