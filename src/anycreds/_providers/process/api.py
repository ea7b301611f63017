"""The command of ``credential_process`` and its output, as text. Pure.

The arguments of a command may be secrets, so an error contains only the name of its program.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ..._core.credentials import Credentials
from ..._core.errors import MalformedResponseError
from ..._core.validation import InvalidValueError, check_account_id, check_text
from ..._wire.json import parse_object
from ..._wire.redaction import contains_secret, looks_like_secret
from ..._wire.text import decode_utf8, printable
from ..._wire.timestamps import parse_time

NAME = "credential process"
# A word of another form may be anything, and is not displayed as the name of a program.
_PROGRAM_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,32}")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_OPTION_OR_PATH = re.compile(r"--?[a-z][a-z-]*|(?:\.{0,2}|~)/.*", re.DOTALL)
_SEPARATORS = re.compile(r"[\s;|&()<>:,@='\"]+")
# Characters. Splitting a command as long as a file is slow.
_MAX_SPLIT = 1024
_MAX_STDERR_LINE = 200
# Characters. A shorter argument, such as a profile or a number, is not a secret.
_MIN_SECRET_ARGUMENT = 8
_FORMAT_HINT = (
    'print a JSON object: {"Version": 1, "AccessKeyId": ..., "SecretAccessKey": ...}, '
    "with SessionToken and Expiration for temporary credentials"
)


def program_name(command: str) -> str:
    """Return the name of the program that a command runs, for display."""
    try:
        words = shlex.split(command[:_MAX_SPLIT])
    except ValueError:  # a quote without its counterpart, in the command or by the cut
        words = []
    word = next((word for word in words if not _ASSIGNMENT.fullmatch(word)), "")
    name = word.replace("\\", "/").rpartition("/")[2]
    return name if _PROGRAM_NAME.fullmatch(name) else "the command"


def last_stderr_line(stderr: bytes, command: str) -> str | None:
    """Return the last line of stderr for display; None if it may contain a secret.

    A line may contain a secret if it looks like one (see ``looks_like_secret``), or if it contains a part of the
    command of 8 or more characters that is neither the name of an option nor a path. Otherwise the line is
    displayed without control characters, and shortened to 200 characters. It is empty if stderr is.
    """
    lines = stderr.decode("utf-8", "replace").split("\n")
    line = next((text for text in map(str.strip, reversed(lines)) if text), "")
    if not line:
        return ""
    try:
        arguments = tuple(_arguments(command))
    except ValueError:
        return None
    if looks_like_secret(line) or contains_secret(line, arguments):
        return None
    return printable(line, _MAX_STDERR_LINE)


def _arguments(command: str) -> Iterator[str]:
    """Yield the parts of a command that may be secrets. Raise ``ValueError`` if it cannot be split into words."""
    if len(command) > _MAX_SPLIT:
        raise ValueError("the command is too long")
    program = program_name(command)
    words = shlex.split(command)
    if program.startswith("python") and "-m" in words:  # the next word is a module, which is the actual program
        at = words.index("-m")
        del words[at : at + 2]
    for word in words:
        for part in (word, *_SEPARATORS.split(word)):
            if len(part) >= _MIN_SECRET_ARGUMENT and part != program and not _OPTION_OR_PATH.fullmatch(part):
                yield part


def parse_credentials(output: bytes, description: str, account_id: str | None = None) -> Credentials:
    """Return the credentials that a command printed.

    Args:
        output: The standard output of the command.
        description: The command, for errors.
        account_id: The account of the credentials if the output does not contain one.

    Raises:
        MalformedResponseError: The output does not contain valid credentials.

    See: AWS SDKs and Tools Reference Guide, "Process credential provider",
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html

    """
    try:
        return _credentials(parse_object(decode_utf8(output)), account_id)
    except InvalidValueError as error:
        subject = "" if error.field is None else f"{error.field} in "
        raise MalformedResponseError(
            f"{subject}the output of {description} {error.reason}", field=error.field, source=NAME, hint=_FORMAT_HINT
        ) from None


def _credentials(document: Mapping[str, Any], account_id: str | None) -> Credentials:
    _check_version(document.get("Version", ...))
    key, secret = (_required_text(document, name) for name in ("AccessKeyId", "SecretAccessKey"))
    token, scope = (_optional_text(document, name) for name in ("SessionToken", "CredentialScope"))
    # Null means that the credentials do not expire, as in JavaScript and botocore; an empty text is an error, since
    # expired credentials without an expiration would never be refreshed.
    has_expiration = document.get("Expiration") is not None
    has_account = (account := document.get("AccountId")) not in (None, "")
    return Credentials(
        key,
        secret,
        token,
        expiration=parse_time(_required_text(document, "Expiration"), field="Expiration") if has_expiration else None,
        account_id=check_account_id(account, field="AccountId") if has_account else account_id,
        credential_scope=scope,
        source=NAME,
    )


def _check_version(version: object) -> None:
    """Raise ``InvalidValueError`` unless it is the number 1, which may be written as 1.0 in JSON."""
    if version is ...:
        raise InvalidValueError("is missing", field="Version")
    if isinstance(version, bool) or version != 1:
        raise InvalidValueError("is not the number 1", field="Version")


def _required_text(document: Mapping[str, Any], name: str) -> str:
    if name in document and document[name] is None:
        raise InvalidValueError("is null", field=name)
    return check_text(document.get(name), field=name)


def _optional_text(document: Mapping[str, Any], name: str) -> str | None:
    """Return a text; None if it is missing, empty or null, as some programs print what they do not have."""
    return None if document.get(name) in (None, "") else _required_text(document, name)
