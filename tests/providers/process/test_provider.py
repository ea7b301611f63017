"""Credential processes: the command that is run, its timeout, and an error for each failure."""

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
from anycreds._providers.process.provider import ProcessProvider
from anycreds._system.runtime import SystemRuntime
from anycreds.testing import CANARY
from support.fake_io import KEY_ID, SECRET_KEY, SESSION_TOKEN, FakeIo, FakeRuntime, failure, fetch
from support.rows import each_row

COMMAND = f"/opt/bin/helper --token {CANARY}-argument"
DESCRIPTION = "helper (credential_process from ~/.aws/config:12)"
ORIGIN = "~/.aws/config:12"
HIDDEN = "; the last line of its stderr is not shown, since it may contain a secret"


def printed(**changes: object) -> bytes:
    """Return an output with all fields; ``...`` omits a field."""
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
    """Return a provider that runs a command."""
    return ProcessProvider(FakeRuntime(), Setting(command, ORIGIN), account_id, **options)


def io_with(result: ProcessResult | ProcessFailure, command: str = COMMAND) -> FakeIo:
    """Return an ``Io`` in which the command has this result."""
    return FakeIo(processes={command: result})


def fail(result: ProcessResult | ProcessFailure, command: str = COMMAND, **options: Any) -> CredentialsError:
    """Return the error of one attempt."""
    error = failure(provider(command, **options), io_with(result, command))
    assert error.source == "credential process"
    return error


@pytest.mark.fault("S18")
def test_returns_printed_credentials() -> None:
    """The command is run unchanged, and the credentials that it prints are returned."""
    io = io_with(ProcessResult(0, None, printed(), b"a warning"))
    assert fetch(provider(), io) == Credentials(
        KEY_ID,
        SECRET_KEY,
        SESSION_TOKEN,
        expiration=datetime(2024, 1, 2, 9, 4, 5, tzinfo=UTC),
        source="credential process",
    )
    assert [(command, limit) for command, _, limit in io.runs] == [(COMMAND, BODY_LIMIT)]


@each_row("timeout, seconds", [(0.5, 0.5), (1.0, 1.0), (59.25, 59.25), (59.5, 59.25), (60.0, 59.25), (600.0, 59.25)])
def test_timeout_of_the_command(timeout: float, seconds: float) -> None:
    """The command gets the whole timeout, but must be terminated before the attempt ends after 60 s."""
    io = io_with(ProcessResult(0, None, printed(), b""))
    fetch(provider(timeout=timeout), io)
    assert [time for _, time, _ in io.runs] == [seconds]


def test_runs_at_every_attempt() -> None:
    """The provider caches nothing: each attempt runs the command."""
    io = io_with(ProcessResult(0, None, printed(), b""))
    process_provider = provider()
    fetch(process_provider, io)
    fetch(process_provider, io)
    assert len(io.runs) == 2


def test_account_of_the_profile() -> None:
    """The profile's account is used if the command prints none."""
    assert fetch(provider(account_id="1"), io_with(ProcessResult(0, None, printed(), b""))).account_id == "1"
    with_account = io_with(ProcessResult(0, None, printed(AccountId="2"), b""))
    assert fetch(provider(account_id="1"), with_account).account_id == "2"


def test_expired_credentials_are_not_extended() -> None:
    """The credentials must not be used past their expiration, and no user is prompted."""
    credentials = fetch(provider(), io_with(ProcessResult(0, None, printed(), b"")))
    assert not provider()._allows_stale(credentials)
    assert not provider()._may_prompt_user


@pytest.mark.fault("P03", "P10")
@each_row(
    "result, message",
    [
        (ProcessResult(3, None, printed(), b""), f"{DESCRIPTION} exited with code 3"),
        (
            ProcessResult(3, None, b"", b"Warning: old\nSession expired\n"),
            f"{DESCRIPTION} exited with code 3; the last line of its stderr: Session expired",
        ),
        (
            ProcessResult(3, None, b"", f"Session expired\nunknown: {CANARY}-argument".encode()),
            f"{DESCRIPTION} exited with code 3{HIDDEN}",
        ),
        (ProcessResult(None, "SIGKILL", printed(), b""), f"{DESCRIPTION} was killed by SIGKILL"),
        (
            ProcessResult(137, "SIGKILL", b"", b""),
            f"{DESCRIPTION} exited with code 137 (killed by SIGKILL)",
        ),
        (ProcessResult(127, None, b"", b"sh: 1: x"), f"{DESCRIPTION} was not found (exit code 127)"),
        (
            ProcessResult(126, None, b"", b"sh: 1: x"),
            f"{DESCRIPTION} cannot be executed (exit code 126)",
        ),
        (
            ProcessFailure("not started", "the shell cannot be run: No such file or directory"),
            f"{DESCRIPTION} could not be started: the shell cannot be run: No such file or directory",
        ),
    ],
)
def test_failed_command(result: ProcessResult | ProcessFailure, message: str) -> None:
    """The error says how the command failed, with the last line of its stderr, and without its arguments."""
    error = fail(result)
    assert type(error) is RetrievalError
    assert error.message == message


@pytest.mark.fault("P01")
def test_timeout_error() -> None:
    """The error for a command that hangs has the timeout and a hint."""
    error = fail(ProcessFailure("timeout", "it did not exit within 10 s"), timeout=10)
    assert type(error) is ProviderTimeoutError
    assert error.message == f"{DESCRIPTION} was terminated: it did not exit within 10 s"
    assert error.hint == "change the command so that it does not prompt: it has no standard input and no terminal"


@pytest.mark.fault("P02")
def test_too_large_output() -> None:
    """The error for a command that prints without end has the limit."""
    error = fail(ProcessFailure("too large", "it wrote more than 65536 bytes"))
    assert type(error) is MalformedResponseError
    assert error.message == f"{DESCRIPTION} was terminated: it wrote more than 65536 bytes to its standard output"


@pytest.mark.fault("P09")
@each_row(
    "output, field",
    [
        (b"", None),
        (b"{", None),
        (printed(Version=2), "Version"),
    ],
)
@each_row("status", [0, None])
def test_malformed_output(output: bytes, field: str | None, status: int | None) -> None:
    """The output must contain credentials, even if the exit code is unknown."""
    error = fail(ProcessResult(status, None, output, f"{CANARY}-stderr".encode()))
    assert isinstance(error, MalformedResponseError)
    assert error.field == field
    assert f"the output of {DESCRIPTION}" in error.message


@pytest.mark.fault("P09")
def test_expired_credentials() -> None:
    """Expired credentials are an error."""
    error = fail(ProcessResult(0, None, printed(Expiration="2024-01-02T03:04:05Z"), b""))
    assert type(error) is RetrievalError
    assert "expired at 2024-01-02T03:04:05+00:00" in error.message


@pytest.mark.fault("P08")
def test_name_of_the_program_in_errors() -> None:
    """An error contains the name of the program, and no other part of the command."""
    error = fail(ProcessResult(1, None, b"", b""), f"(helper) {CANARY}")
    assert error.message == f"the command (credential_process from {ORIGIN}) exited with code 1"


@pytest.mark.fault("P08")
@each_row(
    "command, reason",
    [
        ("", "is blank; expected a command"),
        (" \t", "is blank; expected a command"),
        ("a\0b", "contains the control character U+0000"),
    ],
)
def test_invalid_command(command: str, reason: str) -> None:
    """A command that is blank or contains NUL is an invalid configuration, and is not run."""
    io = FakeIo()
    error = failure(provider(command), io)
    assert isinstance(error, InvalidConfigurationError)
    assert error.message == f"credential_process from {ORIGIN} {reason}"
    assert io.runs == []


def test_invalid_account() -> None:
    """The profile's account is checked before the command runs."""
    io = FakeIo()
    error = failure(provider(account_id="1\n"), io)
    assert isinstance(error, InvalidConfigurationError)
    assert (error.message, io.runs) == (
        f"aws_account_id beside credential_process from {ORIGIN} contains the control character U+000A",
        [],
    )


def test_repr_does_not_contain_the_command() -> None:
    """The repr of a provider does not contain its command."""
    assert repr(provider()) == "<anycreds provider: credential process>"


posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the commands are for a POSIX shell")


@pytest.mark.fault("P12")
@posix_only
@pytest.mark.anyio
async def test_many_callers_one_process(tmp_path: Path) -> None:
    """A thousand callers of a cached provider run the command once."""
    file = tmp_path / "runs"
    command = f"echo run >> {quote(str(file))}; echo {quote(printed(Expiration=...).decode())}"
    cached_provider = cached(ProcessProvider(SystemRuntime(), Setting(command, ORIGIN)))
    keys: list[str] = []

    async def call() -> None:
        keys.append((await cached_provider()).access_key_id)

    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(call)
    assert keys == [KEY_ID] * 1000
    assert file.read_text() == "run\n"


# What is wrong with a command, the command, its error, and a part of the message.
FAILING_COMMANDS: dict[str, tuple[str, type[CredentialsError], str]] = {
    "timeout": ("exec sleep 300", ProviderTimeoutError, "it did not exit within 0.1 s"),
    "SIGTERM ignored": (
        f"trap '' TERM; while :; do sleep 300; done; echo {CANARY}",
        ProviderTimeoutError,
        "it did not exit within 0.1 s",
    ),
    "not found": (f"/nonexistent/helper {CANARY}", RetrievalError, f"{DESCRIPTION} was not found"),
    "not executable": ("/", RetrievalError, "cannot be executed"),
    "syntax error": (f"echo '{CANARY}", RetrievalError, f"exited with code 2{HIDDEN}"),
    "secret in stderr": (
        f"echo {CANARY}; echo {CANARY}-secret >&2; exit 7",
        RetrievalError,
        f"exited with code 7{HIDDEN}",
    ),
    "stderr": (
        f"echo {CANARY}; echo not signed in >&2; exit 7",
        RetrievalError,
        "exited with code 7; the last line of its stderr: not signed in",
    ),
    "not JSON": (f"echo {CANARY}", MalformedResponseError, "is not JSON"),
    "empty": ("true", MalformedResponseError, "is empty"),
}


@pytest.mark.fault("P01", "P08")
@posix_only
@pytest.mark.anyio
async def test_real_commands_fail_as_the_scripted_ones() -> None:
    """Real commands that fail, all at the same time, cause the errors that the scripted results above expect."""
    errors: dict[str, CredentialsError] = {}

    async def run_command(name: str, command: str, kind: type[CredentialsError]) -> None:
        timeout = 0.1 if kind is ProviderTimeoutError else 20.0
        try:
            await ProcessProvider(SystemRuntime(), Setting(command, ORIGIN), timeout=timeout)()
        except CredentialsError as error:
            errors[name] = error

    async with anyio.create_task_group() as group:
        for name, (command, kind, _) in FAILING_COMMANDS.items():
            group.start_soon(run_command, name, command, kind)
    assert {name: type(error) for name, error in errors.items()} == {
        name: kind for name, (_, kind, _) in FAILING_COMMANDS.items()
    }
    wrong = {name: str(error) for name, error in errors.items() if FAILING_COMMANDS[name][2] not in str(error)}
    assert wrong == {}
