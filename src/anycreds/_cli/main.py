"""The list of commands, and what they share: parsing, exit statuses, and how errors are reported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from .. import CredentialsError, __version__
from ._common import DONE, WRONG_USE, CommandError, print_error, report_no_credentials

# In the order of the help. A command is a module of this package with DESCRIPTION, add_arguments(parser) and
# run(arguments), which returns the exit status or raises CommandError or CredentialsError. It is imported only if its
# name is on the command line: importing all of them takes longer than finding keys in the environment.
COMMANDS = {
    "explain": "show where credentials are looked for, what is found, and what to do next",
    "export": "print credentials for a shell or a program",
    "process": "print credentials as the credential_process of a profile",
    "exec": "run a command with credentials in its environment",
    "serve": "serve credentials to programs on this machine, in any language",
    "demo": "measure how many tasks share one refresh, on trio and asyncio",
}

# With a fixed width, argparse does not import shutil for the size of the terminal, which takes 2 ms in every command.
_FORMATTER = partial(argparse.HelpFormatter, width=80)
# A shell reports a program that was ended by a signal as 128 plus the number of the signal.
INTERRUPTED, PIPE_CLOSED = 128 + 2, 128 + 13


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command line. Return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    parser = _parser(words)
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        getattr(arguments, "parser", parser).reject(unknown)
    if arguments.command_name is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
    status = DONE
    try:
        status = _run_command(arguments)
        if sys.stdout is not None:  # it is None if standard output was closed before the start
            sys.stdout.flush()
    except* KeyboardInterrupt:  # alone, or in a group if trio raises it
        status = INTERRUPTED
    except* BrokenPipeError:
        status = PIPE_CLOSED
        # Otherwise the interpreter reports the broken pipe once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _run_command(arguments: argparse.Namespace) -> int:
    try:
        status: int = arguments.run(arguments)
    except CredentialsError as error:
        return report_no_credentials(arguments.command_name, error, arguments.profile, as_json=arguments.json)
    except CommandError as error:
        print_error(arguments.command_name, str(error), as_json=arguments.json)
        return error.status
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{self.prog}: {message}\n")

    def reject(self, unknown: Sequence[str]) -> NoReturn:
        """Exit with the words that are unknown, and the ones that are known."""
        known = sorted(action.option_strings[-1] for action in self._actions if action.option_strings)
        if self._subparsers is not None:
            known += COMMANDS
        words = [word if word.isprintable() else ascii(word) for word in unknown]  # so that it is one line
        self.error(f"unknown: {' '.join(words)}; expected one of {', '.join(known)}")


def _parser(words: Sequence[str]) -> _Parser:
    parser = _Parser(
        "anycreds",
        description="AWS credentials for trio and asyncio programs.",
        formatter_class=_FORMATTER,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"anycreds {__version__}", help="print the version")
    commands = parser.add_subparsers(title="commands", dest="command_name", metavar="COMMAND", prog=parser.prog)
    for name, summary in COMMANDS.items():
        child = commands.add_parser(name, help=summary, formatter_class=_FORMATTER, allow_abbrev=False)
        if name in words:
            command = import_module(f".{name}", __package__)
            child.description = command.DESCRIPTION
            child.set_defaults(run=command.run, parser=child, profile=None)
            command.add_arguments(child)
    return parser
