"""``serve`` as a whole: programs take credentials from it, and it ends when it should, leaving nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session
import pytest

from anycreds import CachedProvider
from anycreds.__main__ import main
from anycreds._cli.serve import command as _serve_run
from anycreds._cli.serve.lifetime import Life, is_alive
from anycreds._cli.serve.responses import LENT_LIFE
from anycreds.testing import FakeAWS
from cli.commands import LONGEST, MODULE, NO_LONGER, run_module, serving

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
URI, TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX processes")
SHELLS = [shell for shell in ("sh", "bash", "dash") if shutil.which(shell)]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the test a directory for temporary files, and see that nothing is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert soon(lambda: not list(folder.iterdir()))


def soon(is_so: Callable[[], bool]) -> bool:
    """Tell whether something comes to be so."""
    end = time.monotonic() + LONGEST / 2
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def answers(variables: dict[str, str]) -> bool:
    """Tell whether something listens there."""
    place = urlsplit(variables[URI])
    try:
        socket.create_connection((place.hostname, place.port or 0), timeout=5).close()
    except OSError:
        return False
    return True


def test_botocore_takes_credentials_from_it(fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several sessions of botocore have the whole set from it, and the source is asked once."""
    with serving(environ=fake_aws.container_environ()) as (variables, _):
        for names in ({URI, TOKEN}, {URI, FILE}, {URI, TOKEN, FILE}):
            for name in (URI, TOKEN, FILE):
                monkeypatch.delenv(name, raising=False)
            for name in names:
                monkeypatch.setenv(name, variables[name])
            credentials = botocore.session.Session().get_credentials()
            assert credentials.method == "container-role"
            assert credentials.get_frozen_credentials().token
            assert credentials.account_id == fake_aws.account_id
        assert fake_aws.count() == 1


def test_botocore_takes_keys_that_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without a token and an end are served so that botocore takes them, and signs without a token."""
    with serving(environ=KEYS) as (variables, _):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        credentials = botocore.session.Session().get_credentials()
        frozen = credentials.get_frozen_credentials()
        assert (frozen.access_key, frozen.secret_key, bool(frozen.token)) == ("AKIDTEST", "canary-secret", False)
        assert credentials._advisory_refresh_timeout < (credentials._expiry_time - credentials._time_fetcher()).seconds


def test_keys_that_last_are_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without an end are asked for again now and then, so that clients come to have those that replace them."""
    options: list[float | None] = []

    def noted(provider: CachedProvider, *, recheck_after: float | None = None) -> CachedProvider:
        options.append(recheck_after)
        return provider

    monkeypatch.setattr(_serve_run, "cached", noted)
    assert main(["serve", "--json"]) == 1
    assert options == [_serve_run.RECHECK]
    assert timedelta(seconds=_serve_run.RECHECK) <= LENT_LIFE


def test_only_this_user_can_read_the_token(temporary: Path) -> None:
    """The token's file is in a private directory, is private itself, holds the token and no more, and goes away."""
    with serving(environ=KEYS) as (variables, _):
        path = Path(variables[FILE])
        assert path.parent.parent == temporary
        assert path.read_text() == variables[TOKEN]
        assert len(variables[TOKEN]) > 40
        if os.name == "posix":
            assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.parent.exists()
    assert not answers(variables)


@posix
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_evaluates_its_lines(shell: str, fake_aws: FakeAWS) -> None:
    """After ``eval`` programs find the credentials, whatever was set before; and it ends with the shell."""
    script = (
        f'eval "$({sys.executable} -m anycreds serve --background --for 2m)" || exit 3\n'
        f"{sys.executable} -m anycreds export --json || exit 4\n"
        f'echo "${URI}"'
    )
    before = {"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "left over", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ""}
    done = subprocess.run(
        [shell, "-uc", script],
        env={**os.environ, **before, **fake_aws.container_environ()},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr.partition("\n")[0]
    told, _, uri = done.stdout.strip().rpartition("\n")
    assert json.loads(told)["source"] == "container credentials"
    assert soon(lambda: not answers({URI: uri}))


@posix
def test_the_lines_replace_all_that_sdks_would_take_instead() -> None:
    """The lines set the three variables, and remove keys, profiles and whatever else comes before them."""
    with subprocess.Popen(
        [*MODULE, "serve", *NO_LONGER],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()  # it comes to an end, although the process goes on
        assert process.poll() is None
        process.terminate()
        assert process.stderr is not None
        note = process.stderr.read()
        assert process.wait(LONGEST) == 0
    assert [line.partition("=")[0] for line in lines[:3]] == [f"export {name}" for name in (URI, TOKEN, FILE)]
    gone = lines[3].split()
    assert gone[0] == "unset"
    assert {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} <= set(gone)
    assert not {URI, TOKEN, FILE} & set(gone)
    assert len(lines) == 4
    assert note.startswith("anycreds serve: serving on 127.0.0.1:")
    assert lines[1].partition("=")[2].strip("'") not in note


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it(number: signal.Signals) -> None:
    """A polite signal ends it with status 0, and it cleans up."""
    with serving(environ=KEYS, ends_itself=True) as (variables, process):
        os.kill(process, number)
        assert soon(lambda: not Path(variables[FILE]).parent.exists())


@posix
def test_an_ignored_signal_stays_ignored() -> None:
    """What is ignored from the start, as ``nohup`` has it, does not end it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    life = Life(None, None, until_eof=False)
    try:
        with life.ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not life.is_over()
            os.kill(os.getpid(), signal.SIGTERM)
            assert life.is_over()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_it_ends_after_its_time() -> None:
    """``--for`` ends it with status 0."""
    started = time.monotonic()
    done = run_module("serve", "--json", "--for", "1s", environ=KEYS)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started > 1


@posix
def test_it_ends_with_its_parent() -> None:
    """When the process that started it is gone, it ends by itself."""
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen({[*MODULE, 'serve', '--json', *NO_LONGER]!r}, stdout=subprocess.PIPE)\n"
        "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        timeout=LONGEST,
        check=True,
    )
    variables = json.loads(done.stdout)
    assert soon(lambda: not answers(variables))


@posix
def test_it_ends_with_the_process_that_is_named() -> None:
    """With ``--parent`` it is that process that counts."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        with serving("--parent", str(other.pid), environ=KEYS, ends_itself=True) as (variables, _):
            other.communicate()
            assert soon(lambda: not answers(variables))
        assert not is_alive(other.pid)
    assert is_alive(1)


@posix
def test_it_ends_with_its_input() -> None:
    """With ``--until-eof`` it ends when standard input does; what comes there before is not of interest."""
    command = [*MODULE, "serve", "--json", "--until-eof", *NO_LONGER]
    with subprocess.Popen(
        command, env={**os.environ, **KEYS}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        variables = json.loads(process.stdout.readline())
        process.stdin.write("anything\n")
        process.stdin.flush()
        assert answers(variables)
        process.stdin.close()
        assert process.wait(LONGEST) == 0


@posix
def test_an_input_that_is_closed_from_the_start_is_at_its_end() -> None:
    """Where there is no standard input at all, ``--until-eof`` ends at once."""
    command = ["/bin/sh", "-c", f"{sys.executable} -m anycreds serve --json --until-eof <&-"]
    done = subprocess.run(
        command, env={**os.environ, **KEYS}, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_in_the_background_it_is_out_of_reach() -> None:
    """With ``--background`` the command returns when it serves; that goes on in a session of its own, until its end."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        command = [*MODULE, "serve", "--json", "--background", "--parent", str(other.pid), *NO_LONGER]
        with subprocess.Popen(
            command, env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as caller:
            told, complaints = caller.communicate(timeout=LONGEST)
        assert (caller.returncode, complaints) == (0, b"")
        variables = json.loads(told)
        assert answers(variables)
        with pytest.raises(ProcessLookupError):
            os.killpg(caller.pid, 0)  # nobody is left whom a Control-C of the terminal would reach
        other.communicate()
        assert soon(lambda: not answers(variables))


def test_a_port_can_be_chosen(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``--port`` is the port, and one that is taken is told in one line, with status 1."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1)
        assert f"port {port} cannot be used: Address already in use" in shown.err
    with serving("--port", str(port)) as (variables, _):
        assert urlsplit(variables[URI]).port == port


def test_no_place_for_the_token(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no temporary file can be made, as in a container that is read-only, one line says so, with status 1."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    assert main(["serve", "--for", "1s"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "the token's file cannot be written: No such file or directory; TMPDIR says where to" in shown.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "80"], ["'80'", "1024", "65535"]),
        (["--port", "65536"], ["'65536'", "1024"]),
        (["--port", "x"], ["'x'", "1024"]),
        (["--for", "0"], ["'0'", "30s, 15m, 8h or 1d"]),
        (["--for", "-1"], ["--for"]),
        (["--for", "1w"], ["'1w'", "15m"]),
        (["--for", "\u0663"], ["15m"]),
        (["--for", "9" * 5000], ["15m"]),
        (["--profile", ""], ["''"]),
        (["now"], ["now", "--for, --help, --json"]),
        pytest.param(["--parent", "0"], ["'0'", "process"], marks=posix),
        pytest.param(["--parent", "999999999"], ["'999999999'", "runs"], marks=posix),
        pytest.param(["--background", "--until-eof"], ["--background", "--until-eof"], marks=posix),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong options end in status 2, and one line that says what is allowed."""
    with pytest.raises(SystemExit) as end:
        main(["serve", *arguments])
    shown = capsys.readouterr()
    assert (end.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert all(part in shown.err for part in told)


def test_without_a_reader_it_does_not_stay() -> None:
    """If nobody reads the lines, it ends at once, and leaves nothing behind."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*MODULE, "serve", *NO_LONGER],
            env={**os.environ, **KEYS},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
