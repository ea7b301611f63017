"""``exec``: run a command with credentials in its environment.

On POSIX the command replaces this process, so that it has its own signals, terminal and exit status. The exit statuses
for a command that cannot be run are those of shells.
"""

from __future__ import annotations

import os
import signal
import subprocess
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Mapping
from shutil import which

from ._common import FAILED, CommandError, add_options
from ._credentials import get_credentials
from ._formats import CREDENTIAL_VARIABLES, variables
from ._profiles import REGION_VARIABLES, region_to_set

DESCRIPTION = (
    "Runs a command with the credentials of a profile, or of the default chain, in its environment. All other AWS "
    "credential variables are removed. If a profile is selected with --profile or AWS_PROFILE, and no region variable "
    "is set, the command also gets the region of the profile. The exit status is that of the command; 127 if it is not "
    "found, 126 if it cannot be executed, 1 if no credentials are found, 2 if the profile does not exist."
)

NOT_EXECUTABLE, NOT_FOUND = 126, 127
_CAN_REPLACE_PROCESS = os.name == "posix"
# Python ignores these signals. Ignored signals stay ignored in the command: `yes | head` would not end.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.usage = "%(prog)s [-h] [--profile NAME] [--json] -- COMMAND [ARGUMENT ...]"
    add_options(parser, "print errors of anycreds as one JSON object")
    parser.add_argument("command", nargs=REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def run(arguments: Namespace) -> int:
    """Run the command. Return its exit status, where it does not replace this process."""
    dashes, command = arguments.command[:1], arguments.command[1:]
    if dashes != ["--"] or not any(command[:1]):
        arguments.parser.error("expected a command after --: anycreds exec [--profile NAME] -- COMMAND")
    credentials = get_credentials(arguments.profile)
    environ = environ_with(variables(credentials), os.environ) | _region(arguments.profile)
    try:
        return _replace_process(command, environ) if _CAN_REPLACE_PROCESS else _run_and_wait(command, environ)
    except (FileNotFoundError, NotADirectoryError):
        problem, status = f"{command[0]}: not found", NOT_FOUND
    except OSError as error:
        problem, status = f"{command[0]}: {error.strerror}", NOT_EXECUTABLE
    except ValueError:  # the error shows the credentials
        problem, status = "the command or the credentials contain characters that cannot be passed on", FAILED
    raise CommandError(problem, status=status)


def environ_with(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with these credential variables and no others."""
    return {name: value for name, value in environ.items() if name not in CREDENTIAL_VARIABLES} | dict(values)


def _region(profile: str | None) -> dict[str, str]:
    region = region_to_set(profile)  # the command finds that of an implicit profile "default" in the files by itself
    return {} if region is None else dict.fromkeys(REGION_VARIABLES, region)


def _replace_process(command: list[str], environ: Mapping[str, str]) -> int:
    """Replace this process by the command. Raises ``OSError`` or ``ValueError`` if that is impossible."""
    numbers = [getattr(signal, name) for name in _IGNORED_BY_PYTHON if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 - without a shell, arguments are passed on unchanged
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_and_wait(command: list[str], environ: Mapping[str, str]) -> int:
    """Run the command as a child, where a process cannot be replaced. The child handles Control-C."""
    program = which(command[0])  # unlike subprocess, it finds programs with other extensions than .exe
    if program is None:
        raise FileNotFoundError
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run([program, *command[1:]], env=dict(environ), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
