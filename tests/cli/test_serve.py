"""``serve`` as a whole: programs get credentials from it, and it ends in time without leaving files behind."""

from __future__ import annotations

import json
import os
import select
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
from anycreds._cli import serve
from anycreds._cli.serve.lifetime import Lifetime, is_running
from anycreds._cli.serve.responses import ASSUMED_LIFETIME
from anycreds.testing import FakeAWS
from cli.commands import MODULE, SERVE_LIMIT, TIMEOUT, serving

pytestmark = pytest.mark.realtime

KEYS = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "canary-secret"}
URI, TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX processes")
SHELLS = list(
    {os.path.realpath(path): shell for shell in ("sh", "bash", "dash") if (path := shutil.which(shell))}.values()
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set a directory for temporary files, and check that it is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    assert soon(lambda: not list(folder.iterdir()))


def soon(is_so: Callable[[], bool]) -> bool:
    """Return whether a condition becomes true in time."""
    end = time.monotonic() + TIMEOUT / 2
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def is_listening(variables: dict[str, str]) -> bool:
    """Return whether a server listens at the endpoint."""
    endpoint = urlsplit(variables[URI])
    try:
        socket.create_connection((endpoint.hostname, endpoint.port or 0), timeout=5).close()
    except OSError:
        return False
    return True


def test_botocore_gets_credentials(fake_aws: FakeAWS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several sessions of botocore get the credentials, and the source is called once."""
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


def test_botocore_gets_keys_without_expiration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Botocore accepts keys that have neither token nor expiration, and signs without a token."""
    with serving(environ=KEYS) as (variables, _):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        credentials = botocore.session.Session().get_credentials()
        frozen = credentials.get_frozen_credentials()
        assert (frozen.access_key, frozen.secret_key, bool(frozen.token)) == ("AKIDTEST", "canary-secret", False)
        assert credentials._advisory_refresh_timeout < (credentials._expiry_time - credentials._time_fetcher()).seconds


def test_keys_without_expiration_are_rechecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without expiration are rechecked before clients refresh, so that clients get replaced keys."""
    options: list[float | None] = []

    def recording(provider: CachedProvider, *, recheck_after: float | None = None) -> CachedProvider:
        options.append(recheck_after)
        return provider

    monkeypatch.setattr(serve, "cached", recording)
    assert main(["serve", "--json"]) == 1
    assert options == [serve.RECHECK_AFTER]
    assert timedelta(seconds=serve.RECHECK_AFTER) <= ASSUMED_LIFETIME


def test_explain_has_no_complaint_about_its_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``explain`` finds the credentials of a server, and has no note that both token and token file are set."""
    with serving(environ=KEYS) as (variables, _):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert main(["explain", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["credentials"]["access_key_id"] == "AKIDTEST"
    assert document["notes"] == []


def test_only_this_user_can_read_the_token(temporary: Path) -> None:
    """The token file and its directory are private, contain only the token, and are removed at the end."""
    with serving(environ=KEYS) as (variables, _):
        path = Path(variables[FILE])
        assert path.parent.parent == temporary
        assert path.read_text() == variables[TOKEN]
        assert len(variables[TOKEN]) > 40
        if os.name == "posix":
            assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.parent.exists()
    assert not is_listening(variables)


@posix
@pytest.mark.parametrize("shell", SHELLS)
def test_shell_evaluates_the_output(shell: str, fake_aws: FakeAWS) -> None:
    """After ``eval`` programs find the credentials, whatever was set before. The server ends with the shell."""
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
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.partition("\n")[0]
    output, _, uri = done.stdout.strip().rpartition("\n")
    assert json.loads(output)["source"] == "container credentials"
    assert soon(lambda: not is_listening({URI: uri}))


@posix
def test_output_unsets_other_credential_variables() -> None:
    """The output sets three variables, and unsets keys, profiles and all that SDKs prefer to the endpoint."""
    with subprocess.Popen(
        [*MODULE, "serve", *SERVE_LIMIT],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()  # the output ends, although the process continues
        assert process.poll() is None
        process.terminate()
        assert process.stderr is not None
        note = process.stderr.read()
        assert process.wait(TIMEOUT) == 0
    assert [line.partition("=")[0] for line in lines[:3]] == [f"export {name}" for name in (URI, TOKEN, FILE)]
    unset = lines[3].split()
    assert unset[0] == "unset"
    assert {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} <= set(unset)
    assert not {URI, TOKEN, FILE} & set(unset)
    assert len(lines) == 4
    assert note.startswith("anycreds serve: serving on 127.0.0.1:")
    assert lines[1].partition("=")[2].strip("'") not in note


@posix
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_the_server(number: signal.Signals) -> None:
    """A signal ends the server with status 0, and the token file is removed."""
    with serving(environ=KEYS, ends_itself=True) as (variables, process):
        os.kill(process, number)
        assert soon(lambda: not Path(variables[FILE]).parent.exists())


@posix
def test_ignored_signal_stays_ignored() -> None:
    """A signal that is ignored from the start, as with ``nohup``, does not end the server."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    lifetime = Lifetime(None, None, until_eof=False)
    try:
        with lifetime.handle_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not lifetime.is_over()
            os.kill(os.getpid(), signal.SIGTERM)
            assert lifetime.is_over()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_server_ends_after_the_duration() -> None:
    """``--for`` ends the server with status 0. Its clock is a hundred times as fast here."""
    script = (
        "import sys, time; from anycreds._cli.main import run; from anycreds._cli.serve import lifetime\n"
        "lifetime.monotonic = lambda: 100 * time.monotonic()\n"
        "sys.exit(run(['serve', '--json', '--for', '10s']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **KEYS},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout).keys() == {URI, TOKEN, FILE}


@posix
def test_server_ends_with_its_parent() -> None:
    """The server ends when the process that started it ends."""
    script = (
        "import subprocess, sys\n"
        f"p = subprocess.Popen({[*MODULE, 'serve', '--json', *SERVE_LIMIT]!r}, stdout=subprocess.PIPE)\n"
        "sys.stdout.buffer.write(p.stdout.readline()); sys.stdout.flush()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, **KEYS},
        stdout=subprocess.PIPE,
        timeout=TIMEOUT,
        check=True,
    )
    variables = json.loads(done.stdout)
    assert soon(lambda: not is_listening(variables))


@posix
def test_server_ends_with_the_process_of_the_option() -> None:
    """With ``--parent`` the server ends when that process ends."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        with serving("--parent", str(other.pid), environ=KEYS, ends_itself=True) as (variables, _):
            other.communicate()
            assert soon(lambda: not is_listening(variables))
        assert not is_running(other.pid)
    assert is_running(1)


@posix
def test_server_ends_at_the_end_of_standard_input() -> None:
    """With ``--until-eof`` the server ends at the end of standard input, and ignores what it reads before."""
    command = [*MODULE, "serve", "--json", "--until-eof", *SERVE_LIMIT]
    with subprocess.Popen(
        command, env={**os.environ, **KEYS}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        variables = json.loads(process.stdout.readline())
        process.stdin.write("anything\n")
        process.stdin.flush()
        assert is_listening(variables)
        process.stdin.close()
        assert process.wait(TIMEOUT) == 0


@posix
def test_closed_standard_input_is_at_its_end() -> None:
    """With ``--until-eof`` and a closed standard input the server ends at once."""
    command = ["/bin/sh", "-c", f"{sys.executable} -m anycreds serve --json --until-eof <&-"]
    done = subprocess.run(
        command, env={**os.environ, **KEYS}, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_background_server_has_its_own_session() -> None:
    """With ``--background`` the command returns when the server is ready, which continues in a session of its own."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        command = [*MODULE, "serve", "--json", "--background", "--parent", str(other.pid), *SERVE_LIMIT]
        with subprocess.Popen(
            command, env={**os.environ, **KEYS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        ) as caller:
            output, errors = caller.communicate(timeout=TIMEOUT)
        assert (caller.returncode, errors) == (0, b"")
        variables = json.loads(output)
        assert is_listening(variables)
        with pytest.raises(ProcessLookupError):
            os.killpg(caller.pid, 0)  # no process is left in the group that Control-C of the terminal reaches
        other.communicate()
        assert soon(lambda: not is_listening(variables))


@posix
def test_background_server_closes_inherited_descriptors() -> None:
    """With ``--background`` the server does not hold files of its caller open, such as a pipe or a lock."""
    read, write = os.pipe()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as other:
        command = [*MODULE, "serve", "--json", "--background", "--parent", str(other.pid), *SERVE_LIMIT]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **KEYS},
                stdout=subprocess.PIPE,
                timeout=TIMEOUT,
                pass_fds=[write],
                check=True,
            )
        finally:
            os.close(write)
        try:
            is_closed, _, _ = select.select([read], [], [], TIMEOUT / 2)
            assert is_closed
            assert is_listening(json.loads(done.stdout))
        finally:
            os.close(read)
            other.communicate()


def test_port_option(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """``--port`` sets the port; if it is in use, one line says so, with status 1."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
        output = capsys.readouterr()
        assert (output.out, output.err.count("\n")) == ("", 1)
        assert f"unable to listen on port {port}: Address already in use" in output.err
    with serving("--port", str(port)) as (variables, _):
        assert urlsplit(variables[URI]).port == port


def test_token_file_cannot_be_written(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If no temporary file can be written, as in a read-only container, one line says so, with status 1."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    assert main(["serve", "--for", "1s"]) == 1
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert "unable to write the token file: No such file or directory; set TMPDIR to a writable directory" in output.err


def test_closed_pipe_ends_the_server() -> None:
    """If the reader of the output has closed the pipe, the server ends at once and leaves no files behind."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*MODULE, "serve", *SERVE_LIMIT],
            env={**os.environ, **KEYS},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
