"""``serve``: credentials over loopback HTTP, for every SDK at once, from one provider that refreshes them."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from .._common import add_options

NAME = "serve"
SUMMARY = "serve credentials to programs on this machine, in any language"
DESCRIPTION = (
    "Serves the credentials of a profile, or of the default chain, as ECS does to its containers, on a port of "
    "127.0.0.1, to who has the token. Prints lines for a POSIX shell to evaluate; programs that are started there find "
    "the credentials by themselves, and there is one refresh for all of them. It ends with the process that started "
    'it, or before. In a shell: eval "$(anycreds serve --background)". A "default" profile that has credentials comes '
    "before the endpoint in every SDK. The region is no part of it. Exits with 1 if there are no credentials at the "
    "start, with 2 if there is no such profile."
)

LOWEST_PORT, HIGHEST_PORT = 1024, 65535  # those below are the system's
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhd]?)")


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    add_options(parser, "print the variables as one JSON object in one line, and errors, too")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="the port (default: any that is free)")
    parser.add_argument("--for", type=_duration, dest="lifetime", metavar="DURATION", help="end after 30s, 15m, 8h, 1d")
    if os.name != "posix":
        parser.set_defaults(parent=None, until_eof=False, background=False)
        return
    parser.add_argument("--parent", type=_process, metavar="PID", help="end with this process, not the one that starts")
    parser.add_argument("--until-eof", action="store_true", help="also end when standard input ends")
    parser.add_argument(
        "--background", action="store_true", help="return when it serves; it ends with the shell that evaluates"
    )


def run(arguments: Namespace) -> int:
    """Serve until the end. Return the exit status."""
    if arguments.background and arguments.until_eof:
        arguments.parser.error("--background has no standard input; leave out --until-eof, or --background")
    from .command import serve

    return serve(arguments)


def _port(argument: str) -> int:
    if re.fullmatch("[0-9]{1,5}", argument) and LOWEST_PORT <= int(argument) <= HIGHEST_PORT:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a port from {LOWEST_PORT} to {HIGHEST_PORT}")


def _duration(argument: str) -> float:
    found = _DURATION.fullmatch(argument)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not seconds:
        raise ArgumentTypeError(f"{argument!r} is not a length of time such as 90, 30s, 15m, 8h or 1d")
    return seconds


def _process(argument: str) -> int:
    from .lifetime import is_alive

    if re.fullmatch("[1-9][0-9]{0,8}", argument) and is_alive(int(argument)):
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not the number of a process that runs")
