"""The provider of ``credential_process``. It runs the command at every attempt."""

from __future__ import annotations

from ..._config.settings import Setting
from ..._core.attempts import ATTEMPT_TIMEOUT
from ..._core.credentials import Credentials
from ..._core.errors import (
    InvalidConfigurationError,
    MalformedResponseError,
    ProviderTimeoutError,
    RetrievalError,
)
from ..._core.http import BODY_LIMIT
from ..._core.io import Io, ProcessFailure, ProcessResult, Runtime
from ..._core.provider import ClientContext, Provider
from ..._core.validation import InvalidValueError, check_text
from .api import NAME, last_stderr_line, parse_credentials, program_name

# Seconds before the deadline of the attempt at which the command is terminated at the latest. The error of this
# provider must be raised before the attempt's own, and there are 0.5 s between SIGTERM and SIGKILL.
_TERMINATION_MARGIN = 0.75
# The exit codes of a shell that could not run the program.
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127
_RUN_MANUALLY_HINT = "run the command manually to see its output"
_NO_TERMINAL_HINT = "change the command so that it does not prompt: it has no standard input and no terminal"


class ProcessProvider(Provider):
    """The provider of a profile with ``credential_process``.

    Args:
        runtime: What it runs on.
        command: The command.
        account_id: The profile's account, for commands that print none.
        timeout: Seconds for the command.

    See: AWS SDKs and Tools Reference Guide, "Process credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
    """

    __slots__ = ("_account_id", "_command", "_timeout")

    def __init__(
        self, runtime: Runtime, command: Setting, account_id: str | None = None, *, timeout: float = ATTEMPT_TIMEOUT
    ) -> None:
        super().__init__(NAME, runtime)
        self._command = command
        self._account_id = account_id
        self._timeout = min(timeout, ATTEMPT_TIMEOUT - _TERMINATION_MARGIN)

    async def _load(self, io: Io, context: ClientContext) -> Credentials:
        try:
            self._check_settings()
        except InvalidValueError as error:
            raise InvalidConfigurationError(str(error), source=NAME) from None
        command = self._command.value
        description = f"{program_name(command)} (credential_process from {self._command.origin})"
        async with io.service_call():
            result = await io.run_process(command, self._timeout, BODY_LIMIT)
        if isinstance(result, ProcessFailure):
            raise _failure_error(result, description)
        if result.status or (result.status is None and result.signal):
            raise _exit_error(result, description, command)
        return parse_credentials(result.stdout, description, self._account_id)

    async def _describe_sources(self, io: Io, context: ClientContext) -> list[str]:
        return [f"credential_process ({self._command.origin})"]

    def _check_settings(self) -> None:
        """Raise ``InvalidValueError`` for unusable settings. The command may contain control characters but NUL."""
        command, field = self._command.value, f"credential_process from {self._command.origin}"
        if not isinstance(command, str) or not command.strip():
            raise InvalidValueError("is blank; expected a command", field=field)
        if "\0" in command:
            raise InvalidValueError("contains the control character U+0000", field=field)
        if self._account_id is not None:
            check_text(self._account_id, field=f"aws_account_id beside {field}")


def _failure_error(failure: ProcessFailure, description: str) -> RetrievalError:
    if failure.kind == "timeout":
        message = f"{description} was terminated: {failure.detail}"
        return ProviderTimeoutError(message, source=NAME, hint=_NO_TERMINAL_HINT)
    if failure.kind == "too large":
        message = f"{description} was terminated: {failure.detail} to its standard output"
        return MalformedResponseError(message, source=NAME)
    return RetrievalError(f"{description} could not be started: {failure.detail}", source=NAME)


def _exit_error(result: ProcessResult, description: str, command: str) -> RetrievalError:
    if result.status == _NOT_FOUND:
        hint = f"check that it is installed and in the PATH of this program, or {_RUN_MANUALLY_HINT}"
        return RetrievalError(f"{description} was not found (exit code {_NOT_FOUND})", source=NAME, hint=hint)
    if result.status == _NOT_EXECUTABLE:
        message = f"{description} cannot be executed (exit code {_NOT_EXECUTABLE})"
        return RetrievalError(message, source=NAME, hint="check its permissions")
    if result.status is None:
        observed = f"was killed by {result.signal}"
    else:
        observed = f"exited with code {result.status}" + (f" (killed by {result.signal})" if result.signal else "")
    line = last_stderr_line(result.stderr, command)
    if line is None:
        observed += "; the last line of its stderr is not shown, since it may contain a secret"
    elif line:
        observed += f"; the last line of its stderr: {line}"
    return RetrievalError(f"{description} {observed}", source=NAME, hint=_RUN_MANUALLY_HINT)
