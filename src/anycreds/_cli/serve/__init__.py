"""``serve``: serve credentials over HTTP on 127.0.0.1. All SDKs on the machine share one cached provider."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from .._common import add_options
from .command import serve
from .lifetime import is_running

DESCRIPTION = (
    "Serves the credentials of a profile, or of the default chain, on a port of 127.0.0.1, in the same way as ECS "
    "does in containers. A token protects them. Prints lines for a POSIX shell to evaluate; programs that are started "
    "from that shell then find the credentials, and share one refresh. Ends when the process that started it ends, or "
    'earlier. In a shell: eval "$(anycreds serve --background)". In every SDK, credentials of the profile "default" in '
    "the shared files take precedence over the endpoint. The region is not included. Exits with 1 if no credentials "
    "are found at the start, with 2 if the profile does not exist."
)

MIN_PORT, MAX_PORT = 1024, 65535  # lower ports are reserved for the system
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd]?)")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    add_options(parser, "print the variables as one JSON object in one line, and errors as one JSON object")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="the port (default: any free port)")
    parser.add_argument("--for", type=_duration, dest="seconds", metavar="DURATION", help="end after 30s, 15m, 8h, 1d")
    if os.name != "posix":
        parser.set_defaults(parent=None, until_eof=False, background=False)
        return
    parser.add_argument("--parent", type=_process, metavar="PID", help="end when this process ends, not the parent")
    parser.add_argument("--until-eof", action="store_true", help="also end at the end of standard input")
    parser.add_argument(
        "--background", action="store_true", help="return when ready; the server ends when the calling shell ends"
    )


def run(arguments: Namespace) -> int:
    """Serve until the end. Return the exit status."""
    if arguments.background and arguments.until_eof:
        arguments.parser.error("--background closes standard input; remove --until-eof or --background")
    return serve(arguments)


def _port(argument: str) -> int:
    if re.fullmatch("[0-9]{1,5}", argument) and MIN_PORT <= int(argument) <= MAX_PORT:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a port from {MIN_PORT} to {MAX_PORT}")


def _duration(argument: str) -> float:
    match = _DURATION.fullmatch(argument)
    seconds = int(match[1]) * _UNITS[match[2]] if match else 0
    if not seconds:
        raise ArgumentTypeError(f"{argument!r} is not a duration such as 90, 30s, 15m, 8h or 1d")
    return seconds


def _process(argument: str) -> int:
    if re.fullmatch("[1-9][0-9]{0,8}", argument) and is_running(int(argument)):
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not the id of a running process")
