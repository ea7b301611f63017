"""Credential processes: run as they were written, and every failure explained without what may be secret."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import anyio
import pytest

from anycreds import cached
from anycreds._config.settings import Setting
from anycreds._core.credentials import Credentials
from anycreds._core.errors import (
    CredentialsError,
    InvalidConfigurationError,
    MalformedResponseError,
    ProviderTimeoutError,
    RetrievalError,
)
from anycreds._core.http import BODY_LIMIT
from anycreds._core.io import ProcessFailure, ProcessResult
from anycreds._providers.process import ProcessProvider
from anycreds._system.io import SystemRuntime
from anycreds.testing import CANARY
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, FakeIo, FakeRuntime, failure, fetch

COMMAND = f"/opt/bin/helper --token {CANARY}-argument"
TOLD = "helper (credential_process from ~/.aws/config:12)"
ORIGIN = "~/.aws/config:12"
STDERR = f"{CANARY}-stderr".encode()
WHY = ", as they may hold secrets"


def printed(**changes: object) -> bytes:
    """Make an output; ``...`` leaves a field out."""
    full = {
        "Version": 1,
        "AccessKeyId": KEY_ID,
        "SecretAccessKey": SECRET_KEY,
        "SessionToken": SESSION_TOKEN,
        "Expiration": "2024-01-02T09:04:05Z",
        **changes,
    }
    return json.dumps({name: value for name, value in full.items() if value is not ...}).encode()


def provider(command: str = COMMAND, account_id: str | None = None, **options: Any) -> ProcessProvider:
    """Make a provider without a world."""
    return ProcessProvider(FakeRuntime(), Setting(command, ORIGIN), account_id, **options)


def ending(answer: ProcessResult | ProcessFailure, command: str = COMMAND) -> FakeIo:
    """Make a world in which the command ends like this."""
    return FakeIo(processes={command: answer})


def fail(answer: ProcessResult | ProcessFailure, command: str = COMMAND, **options: Any) -> CredentialsError:
    """Return the error of one attempt."""
    error = failure(provider(command, **options), ending(answer, command))
    assert error.source == "credential process"
    return error


def test_gives_what_is_printed() -> None:
    """The command is run as it was written, within the time and size that it has, and its set is given."""
    io = ending(ProcessResult(0, None, printed(), STDERR))
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        source="credential process",
    )
    assert io.runs == [(COMMAND, 59.25, BODY_LIMIT)]


def test_runs_at_every_attempt() -> None:
    """Nothing is remembered from one attempt to the next."""
    io = ending(ProcessResult(0, None, printed(), b""))
    one = provider(timeout=0.5)
    fetch(one, io)
    fetch(one, io)
    assert [time for _, time, _ in io.runs] == [0.25, 0.25]


def test_account_of_the_profile() -> None:
    """The profile's account counts where the command does not tell one."""
    assert fetch(provider(account_id="1"), ending(ProcessResult(0, None, printed(), b""))).account_id == "1"
    told = ending(ProcessResult(0, None, printed(AccountId="2"), b""))
    assert fetch(provider(account_id="1"), told).account_id == "2"


def test_may_not_be_extended() -> None:
    """A set that has ended is not served past its end, and no person is expected to answer."""
    credentials = fetch(provider(), ending(ProcessResult(0, None, printed(), b"")))
    assert not provider()._allows_stale(credentials)
    assert not provider()._may_prompt_user


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ProcessResult(3, None, printed(), b""), f"{TOLD} ended with exit code 3"),
        (
            ProcessResult(3, None, b"", STDERR),
            f"{TOLD} ended with exit code 3; the {len(STDERR)} bytes at the end of its stderr are not shown{WHY}",
        ),
        (ProcessResult(None, "SIGKILL", printed(), b""), f"{TOLD} was killed by SIGKILL"),
        (
            ProcessResult(137, "SIGKILL", b"", b""),
            f"{TOLD} ended with exit code 137, by which shells tell of SIGKILL",
        ),
        (ProcessResult(127, None, b"", STDERR), f"{TOLD} was not found (exit code 127)"),
        (ProcessResult(126, None, b"", STDERR), f"{TOLD} cannot be executed (exit code 126)"),
        (
            ProcessFailure("not started", "the shell cannot be run: No such file or directory"),
            f"{TOLD} could not be started: the shell cannot be run: No such file or directory",
        ),
    ],
)
def test_bad_ends(answer: ProcessResult | ProcessFailure, message: str) -> None:
    """How the command failed is told, whatever it printed; its arguments and its stderr are not (P03, P08, P10)."""
    error = fail(answer)
    assert type(error) is RetrievalError
    assert error.message == message


def test_timeout() -> None:
    """A command that hangs is told of with the whole time that it had, and with a guess why (P01)."""
    error = fail(ProcessFailure("timeout", "it was not over within 9.25 s"), timeout=10)
    assert type(error) is ProviderTimeoutError
    assert error.message == f"{TOLD} was not over within 10 s, and was ended"
    assert error.hint == "it has no standard input and no terminal, so it cannot ask anybody"


def test_too_much() -> None:
    """A command that prints without end is told of (P02)."""
    error = fail(ProcessFailure("too large", "it wrote more than 65536 bytes"))
    assert type(error) is MalformedResponseError
    assert error.message == f"{TOLD} was ended: it wrote more than 65536 bytes to its standard output"


@pytest.mark.parametrize(("output", "field"), [(b"", None), (b"{", None), (printed(Version=2), "Version")])
@pytest.mark.parametrize("status", [0, None])
def test_bad_output(output: bytes, field: str | None, status: int | None) -> None:
    """What is printed must be a set, also where nobody can tell the exit code (P09)."""
    error = fail(ProcessResult(status, None, output, STDERR))
    assert isinstance(error, MalformedResponseError)
    assert error.field == field
    assert f"the output of {TOLD}" in error.message


def test_expired() -> None:
    """A set that has already ended is an error that names both clocks (P09)."""
    error = fail(ProcessResult(0, None, printed(Expiration="2024-01-02T03:04:05Z"), b""))
    assert type(error) is RetrievalError
    assert "expired at 2024-01-02T03:04:05+00:00" in error.message


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("helper", "helper"),
        ("'/opt/my tools/helper' --key canary", "helper"),
        (f"TOKEN={CANARY} B='canary canary' /opt/helper.sh x", "helper.sh"),
        ("C:/tools/helper.exe x", "helper.exe"),
        ('"C:\\tools\\helper.exe" x', "helper.exe"),
        (f"helper {CANARY}" + " x" * 100_000, "helper"),
        (f"TOKEN={CANARY}", "the command"),
        (f"$({CANARY})", "the command"),
        (f"(helper) {CANARY}", "the command"),
        (f"helper;{CANARY}", "the command"),
        (f"'helper {CANARY}", "the command"),
        (f"helper 'x {CANARY}" + " x" * 1000 + "'", "the command"),
        (SECRET_KEY.replace("/", "+"), "the command"),
    ],
)
def test_only_the_program_is_named(command: str, name: str) -> None:
    """Of the command errors show the program's name, and only if it looks like one: all else may be a secret."""
    error = fail(ProcessResult(1, None, b"", b""), command)
    assert error.message == f"{name} (credential_process from {ORIGIN}) ended with exit code 1"


@pytest.mark.parametrize(
    ("command", "problem"),
    [("", "is not a command but blank"), (" \t", "is not a command but blank"), ("a\0b", "control character U+0000")],
)
def test_refuses_what_is_no_command(command: str, problem: str) -> None:
    """A blank command, or one that no system could run, is an error of the file and runs nothing (P08)."""
    io = FakeIo()
    error = failure(provider(command), io)
    assert isinstance(error, InvalidConfigurationError)
    assert (problem in error.message, ORIGIN in error.message, io.runs) == (True, True, [])


def test_refuses_a_bad_account() -> None:
    """The profile's account is looked at before anything runs."""
    io = FakeIo()
    error = failure(provider(account_id="1\n"), io)
    assert isinstance(error, InvalidConfigurationError)
    assert (error.message, io.runs) == (
        f"aws_account_id beside credential_process from {ORIGIN} contains the control character U+000A",
        [],
    )


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "60", True])
def test_refuses_impossible_times(timeout: Any) -> None:
    """A time must be a number of seconds above 0."""
    with pytest.raises(InvalidConfigurationError, match="timeout"):
        provider(timeout=timeout)


def test_shows_no_command() -> None:
    """A provider's repr has no command in it."""
    assert repr(provider()) == "<anycreds provider: credential process>"


pytest_posix = pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")


@pytest_posix
@pytest.mark.anyio
async def test_many_callers_one_process(tmp_path: Path) -> None:
    """A thousand callers of a cached provider run the command once (P12)."""
    file = tmp_path / "runs"
    command = f"echo run >> {quote(str(file))}; echo {quote(printed(Expiration=...).decode())}"
    one = cached(ProcessProvider(SystemRuntime(), Setting(command, ORIGIN)))
    found: list[str] = []

    async def call() -> None:
        found.append((await one()).access_key_id)

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(call)
    assert found == [KEY_ID] * 1000
    assert file.read_text() == "run\n"


@pytest_posix
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("exec sleep 300", ProviderTimeoutError, "was not over within 0.1 s"),
        (
            f"trap '' TERM; while :; do sleep 300; done; echo {CANARY}",
            ProviderTimeoutError,
            "was not over within 0.1 s",
        ),
        (f"/nonexistent/helper {CANARY}", RetrievalError, "helper (credential_process from ~/.aws/config:12) was not"),
        ("/", RetrievalError, "cannot be executed"),
        (f"echo '{CANARY}", RetrievalError, "ended with exit code 2"),
        (f"echo {CANARY}; echo {CANARY} >&2; exit 7", RetrievalError, "ended with exit code 7; the"),
        (f"echo {CANARY}", MalformedResponseError, "is not JSON"),
        ("true", MalformedResponseError, "is empty"),
    ],
)
async def test_real_failures(command: str, kind: type[CredentialsError], message: str) -> None:
    """Real commands that fail give the errors that the scripts above have foreseen, with nothing secret in them."""
    timeout = 0.1 if kind is ProviderTimeoutError else 20.0
    with pytest.raises(kind) as caught:
        await ProcessProvider(SystemRuntime(), Setting(command, ORIGIN), timeout=timeout)()
    assert type(caught.value) is kind
    assert message in str(caught.value)
