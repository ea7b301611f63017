"""Which verbs there are, and how a wrong command line is refused: status 2, and one line that says what is allowed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import demo, explain, export, process, serve
from . import exec as exec_

# In the order of the help. A verb is a module with NAME, SUMMARY, add_arguments(parser) and run(arguments) -> status.
VERBS = (explain, export, process, exec_, serve, demo)

WRONG_USE = 2  # as argparse and most Unix tools have it
# A shell reports a program that a signal ended as 128 and the signal's number.
INTERRUPTED, PIPE_CLOSED = 128 + 2, 128 + 13


def run(argv: Sequence[str] | None = None) -> int:
    """Do what a command line says. Return the exit status."""
    parser = _parser()
    arguments, unknown = parser.parse_known_args(argv)
    if arguments.verb is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
    if unknown:
        arguments.parser.refuse(unknown)
    status = 0
    try:
        status = arguments.run(arguments)
        if sys.stdout is not None:  # it is None if it was closed before the start
            sys.stdout.flush()
    except* KeyboardInterrupt:  # alone, or in a group, as trio gives it
        status = INTERRUPTED
    except* BrokenPipeError:
        status = PIPE_CLOSED
        _drop_output()
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{self.prog}: {message}\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Say what is not known, and what is."""
        options = [action.option_strings[-1] for action in self._actions if action.option_strings]
        self.error(f"unknown: {' '.join(unknown)}; there is {', '.join(sorted(options))}")


def _parser() -> _Parser:
    parser = _Parser("anycreds", description="AWS credentials for trio and asyncio programs.", allow_abbrev=False)
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB")
    for verb in VERBS:
        child = verbs.add_parser(verb.NAME, help=verb.SUMMARY, description=verb.DESCRIPTION, allow_abbrev=False)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run, parser=child)
    return parser


def _drop_output() -> None:
    """Let nothing more be written to where nobody reads, or the interpreter complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
