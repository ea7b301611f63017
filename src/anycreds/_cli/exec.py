"""``exec``: a command with credentials in its environment. On POSIX it takes this process's place.

So its signals, its terminal and its exit status are its own. The statuses for a command that cannot be run are those
of shells.
"""

from __future__ import annotations

import os
from argparse import REMAINDER, ArgumentParser, Namespace
from collections.abc import Mapping

from ._common import FAILED, add_options, complain, obtain, refuse

NAME = "exec"
SUMMARY = "run a command with credentials in its environment"
DESCRIPTION = (
    "Runs a command with the credentials of a profile, or of the default chain, in its environment, and with no other "
    "AWS credential variable. If a profile is named, and no region variable is set, the command also gets the "
    "profile's region. The exit status is the command's; 127 if it is not found, 126 if it cannot be executed, 1 if "
    "there are no credentials, 2 if there is no such profile."
)

NOT_EXECUTABLE, NOT_FOUND = 126, 127
_REPLACES_ITSELF = os.name == "posix"
# Python ignores these for itself, and what is ignored stays so in the command: `yes | head` would never end.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.usage = "%(prog)s [-h] [--profile NAME] [--json] -- COMMAND [ARGUMENT ...]"
    add_options(parser, "print errors of anycreds itself as one JSON object")
    parser.add_argument("command", nargs=REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def run(arguments: Namespace) -> int:
    """Run the command. Return the exit status, if there is still somebody to return."""
    dashes, command = arguments.command[:1], arguments.command[1:]
    if dashes != ["--"] or not any(command[:1]):
        arguments.parser.error("a command is needed, after --: anycreds exec [--profile NAME] -- COMMAND")
    credentials = obtain(arguments.profile)
    if isinstance(credentials, Exception):
        return refuse(NAME, credentials, arguments.profile, as_json=arguments.json)
    from ._formats import variables

    environ = environ_with(variables(credentials), os.environ)
    if region := _region(arguments.profile):
        environ |= region
    try:
        return _replace(command, environ) if _REPLACES_ITSELF else _run_and_wait(command, environ)
    except (FileNotFoundError, NotADirectoryError):
        problem, status = f"{command[0]}: not found", NOT_FOUND
    except OSError as error:
        problem, status = f"{command[0]}: {error.strerror}", NOT_EXECUTABLE
    except ValueError:  # characters that the system's encoding does not have, which the error would show
        problem, status = "the command or the credentials have characters that cannot be passed on", FAILED
    return complain(NAME, problem, status=status, as_json=arguments.json)


def environ_with(values: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with these credentials and no others."""
    from ._formats import IDENTITY_VARIABLES

    return {name: value for name, value in environ.items() if name not in IDENTITY_VARIABLES} | dict(values)


def _region(profile: str | None) -> dict[str, str]:
    if profile is None and not os.environ.get("AWS_PROFILE", "").strip():
        return {}  # the files need not be read: who reads them finds the region of the profile "default" there
    from ._profiles import REGION_VARIABLES, region_to_set

    region = region_to_set(profile)
    return {} if region is None else dict.fromkeys(REGION_VARIABLES, region)


def _replace(command: list[str], environ: Mapping[str, str]) -> int:
    """Become the command. Raises ``OSError`` or ``ValueError`` if that cannot be."""
    import signal

    numbers = [getattr(signal, name) for name in _IGNORED_BY_PYTHON if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    try:
        os.execvpe(command[0], command, environ)  # noqa: S606 - no shell: the words are passed on as they came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run_and_wait(command: list[str], environ: Mapping[str, str]) -> int:
    """Run the command as a child, where no process can take another's place. Control-C is the child's to handle."""
    import signal
    import subprocess
    from shutil import which

    program = which(command[0])  # it finds what has another ending than .exe, too
    if program is None:
        raise FileNotFoundError
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return subprocess.run([program, *command[1:]], env=dict(environ), check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
