"""Commands prompt for MFA codes on the terminal that controls them, never on standard input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest

from anycreds.testing import FakeAWS
from cli.commands import MODULE, TIMEOUT, run_module, write_config

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudoterminal")

ROLE = "arn:aws:iam::123456789012:role/app"
DEVICE = "arn:aws:iam::123456789012:mfa/me"
PROMPT = f"MFA code for {DEVICE}: "
# A session leader without a terminal gets the first one that it opens as its controlling terminal.
IN_TERMINAL = (
    "import os, sys; os.open(sys.argv[1], os.O_RDWR); os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


@pytest.fixture(autouse=True)
def role_with_mfa(isolated: Path, fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a profile whose role requires the MFA code 123456."""
    ((key, secret),) = fake_aws.keys.items()
    fake_aws.roles = {ROLE: {"mfa_serial": DEVICE, "mfa_codes": ["123456"]}}
    monkeypatch.setenv("AWS_PROFILE", "app")
    for name, value in {**fake_aws.service_environ(), "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    write_config(
        isolated,
        f"[profile app]\nrole_arn={ROLE}\nmfa_serial={DEVICE}\nsource_profile=base\n"
        f"[profile base]\naws_access_key_id={key}\naws_secret_access_key={secret}\n",
    )


@contextmanager
def in_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a command line in a terminal of its own. The value is the process, and the other end of the terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", IN_TERMINAL, os.ttyname(theirs), *MODULE[1:], *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        with process:
            yield process, ours
    finally:
        process.kill()
        os.close(theirs)
        os.close(ours)


def read_prompt(terminal: int) -> str:
    """Return what the terminal shows, up to the end of the prompt."""
    shown = b""
    end = time.monotonic() + TIMEOUT
    while not shown.endswith(b": ") and time.monotonic() < end:
        if select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 1024)
    return shown.decode()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["export", "--json"], '"source": "assume role"'),
        (["process"], '"Version": 1'),
        (["exec", "--", sys.executable, "-c", "import os; print(os.environ['AWS_ACCESS_KEY_ID'])"], "ASIA"),
        (["explain"], "Credentials found: ASIA"),
        (["serve", "--json", "--until-eof"], "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_command_prompts_on_its_terminal(arguments: list[str], expected: str) -> None:
    """Each command shows the prompt on the terminal, reads the code from it, and prints only its result."""
    with in_terminal(*arguments) as (process, terminal):
        assert read_prompt(terminal) == PROMPT
        os.write(terminal, b"123456\n")
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, "")
    assert expected in output
    assert "MFA" not in output


def test_wrong_code_is_an_error() -> None:
    """A wrong code ends with the error of STS, and the code is not printed."""
    with in_terminal("export") as (process, terminal):
        read_prompt(terminal)
        os.write(terminal, b"987654\n")
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output) == (1, "")
    assert "AccessDenied" in errors
    assert "987654" not in errors


def test_no_code_is_an_error() -> None:
    """An empty line ends with an error instead of a request to STS."""
    with in_terminal("export") as (process, terminal):
        read_prompt(terminal)
        os.write(terminal, b"\n")
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert f"no MFA code was entered for {DEVICE}" in errors


@pytest.mark.usefixtures("interruptible")
def test_control_c_ends_the_prompt() -> None:
    """Control-C at the prompt ends the command at once, although a thread waits for the terminal."""
    with in_terminal("export") as (process, terminal):
        read_prompt(terminal)
        os.kill(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, output, errors) == (130, "", "")


def test_without_terminal_the_error_says_what_to_do() -> None:
    """Without a terminal, as in cron or a container, the error says what to do, and standard input is not read."""
    done = subprocess.run(
        [*MODULE, "export"],
        input="123456\n",
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"an MFA code for {DEVICE} is required, and there is no terminal to prompt for it" in done.stderr
    assert "run `anycreds export` in a terminal, or use a profile without mfa_serial" in done.stderr


def test_background_process_does_not_read_the_terminal() -> None:
    """A process in the background of a terminal reports an error; the system would stop it if it read."""
    script = (
        "import os, subprocess, sys; os.open(sys.argv[1], os.O_RDWR);"
        "done = subprocess.run([sys.executable, *sys.argv[2:]], process_group=0); sys.exit(done.returncode)"
    )
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, os.ttyname(theirs), *MODULE[1:], "export"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=TIMEOUT,
            check=False,
        )
    finally:
        os.close(theirs)
        os.close(ours)
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no terminal to prompt for it" in done.stderr


def test_profile_without_mfa_needs_no_terminal() -> None:
    """Credentials that need no code are printed without a terminal."""
    done = run_module("export", "--profile", "base", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["source"].startswith("shared files")
