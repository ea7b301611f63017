"""Credentials from a command that the profile names, run anew at every attempt.

Of the command, errors show the name of its program only: its arguments may be secrets. What it writes to stderr may be
one too, and is neither shown, logged nor kept.
"""

from __future__ import annotations

import re

from .._config.settings import Setting
from .._core.credentials import Credentials
from .._core.errors import (
    InvalidConfigurationError,
    MalformedResponseError,
    ProviderTimeoutError,
    RetrievalError,
)
from .._core.http import BODY_LIMIT
from .._core.io import Io, ProcessFailure, ProcessResult, Runtime
from .._core.provider import ClientContext, Provider
from .._core.validation import InvalidValueError, check_text, check_timeout_and_retries
from .process_output import parse_credentials

NAME = "credential process"
# Out of the whole time of an attempt this is kept for ending the process (0.5 s between SIGTERM and SIGKILL), so that
# its own error is heard before that of the flight that it is a part of, which ends at the same time.
_FAREWELL = 0.75
# A program's name has no more and no other characters; what looks different may be anything, and is not shown.
_PROGRAM = re.compile(r"[A-Za-z0-9_.+-]{1,32}")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
# The program stands at the beginning. Splitting is slow for a text as long as a file.
_LOOKED_AT = 1024
# The exit codes by which a shell says that it did not come to run the program.
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_BY_HAND = "run the command by hand to see what it says"


class ProcessProvider(Provider):
    """What a profile with ``credential_process`` means.

    ``account_id`` is the profile's own, for commands that do not print one. ``timeout``: seconds for the whole attempt.
    Raises ``InvalidConfigurationError`` for a ``timeout`` that cannot be right.
    Follows the AWS "SDKs and Tools" reference, page "Process credential provider".
    """

    __slots__ = ("_account_id", "_command", "_timeout")

    def __init__(
        self, runtime: Runtime, command: Setting, account_id: str | None = None, *, timeout: float = 60.0
    ) -> None:
        super().__init__(NAME, runtime)
        check_timeout_and_retries(timeout, 0, NAME)
        self._command = command
        self._account_id = account_id
        self._timeout = timeout

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        try:
            _check_command(self._command)
            if self._account_id is not None:
                field = f"aws_account_id beside credential_process from {self._command.origin}"
                check_text(self._account_id, field=field)
        except InvalidValueError as error:
            raise InvalidConfigurationError(str(error), source=NAME) from None
        told = f"{_program(self._command.value)} (credential_process from {self._command.origin})"
        time = max(self._timeout - _FAREWELL, self._timeout / 2)
        answer = await io.run_process(self._command.value, time, BODY_LIMIT)
        if isinstance(answer, ProcessFailure):
            raise self._failure(answer, told)
        if answer.status or (answer.status is None and answer.signal):
            raise _bad_end(answer, told)
        return parse_credentials(answer.stdout, NAME, told, self._account_id)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        return [f"credential_process ({self._command.origin})"]

    def _failure(self, failure: ProcessFailure, told: str) -> RetrievalError:
        if failure.kind == "timeout":
            hint = "it has no standard input and no terminal, so it cannot ask anybody"
            return ProviderTimeoutError(
                f"{told} was not over within {self._timeout:g} s, and was ended", source=NAME, hint=hint
            )
        if failure.kind == "too large":
            return MalformedResponseError(f"{told} was ended: {failure.detail} to its standard output", source=NAME)
        return RetrievalError(f"{told} could not be started: {failure.detail}", source=NAME)


def _check_command(command: Setting) -> None:
    """Raise ``InvalidValueError`` for an unusable command. Control characters other than NUL are allowed."""
    field = f"credential_process from {command.origin}"
    if not isinstance(command.value, str) or not command.value.strip():
        raise InvalidValueError("is not a command but blank", field=field)
    if "\0" in command.value:
        raise InvalidValueError("contains the control character U+0000", field=field)


def _program(command: str) -> str:
    """Return the name of the program that a command runs, if it can be told."""
    import shlex  # only here: no other way to get credentials needs it

    try:
        words = shlex.split(command[:_LOOKED_AT])
    except ValueError:  # a quote without its other half, in the command or by the cut
        words = []
    for word in words:
        if _ASSIGNMENT.fullmatch(word):
            continue
        name = word.replace("\\", "/").rpartition("/")[2]
        return name if _PROGRAM.fullmatch(name) else "the command"
    return "the command"


def _bad_end(answer: ProcessResult, told: str) -> RetrievalError:
    if answer.status == _NOT_FOUND:
        hint = f"is it installed, and in the PATH of this program? {_BY_HAND}"
        return RetrievalError(f"{told} was not found (exit code {_NOT_FOUND})", source=NAME, hint=hint)
    if answer.status == _NOT_EXECUTABLE:
        return RetrievalError(
            f"{told} cannot be executed (exit code {_NOT_EXECUTABLE})", source=NAME, hint="check its permissions"
        )
    if answer.status is None:
        how = f"was killed by {answer.signal}"
    elif answer.signal is None:
        how = f"ended with exit code {answer.status}"
    else:
        how = f"ended with exit code {answer.status}, by which shells tell of {answer.signal}"
    written = len(answer.stderr)
    said = f"; the {written} bytes at the end of its stderr are not shown, as they may hold secrets" if written else ""
    return RetrievalError(f"{told} {how}{said}", source=NAME, hint=_BY_HAND)
