"""Which verbs there are, and how a wrong command line is refused: status 2, and one line that says what is allowed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from . import demo, explain, export, process, serve
from . import exec as exec_

# In the order of the help. A verb is a module with NAME, SUMMARY, add_arguments(parser) and run(arguments) -> status.
VERBS = (explain, export, process, exec_, serve, demo)

WRONG_USE = 2  # as argparse and most Unix tools have it
# A shell reports a program that a signal ended as 128 and the signal's number.
INTERRUPTED, PIPE_CLOSED = 128 + 2, 128 + 13
_USUAL_COLUMNS = 80


def run(argv: Sequence[str] | None = None) -> int:
    """Do what a command line says. Return the exit status."""
    words = sys.argv[1:] if argv is None else argv
    parser = _parser(words)
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        getattr(arguments, "parser", parser).refuse(unknown)
    if arguments.verb is None:
        parser.print_help(sys.stderr)
        return WRONG_USE
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


class _Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal, as argparse has it.

    But argparse loads shutil to ask for that, with all its archives, whether or not somebody wants help.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    with suppress(ValueError):
        if (told := int(os.environ.get("COLUMNS", ""))) > 0:
            return told
    with suppress(OSError, ValueError):  # it is a pipe, or closed
        return os.get_terminal_size(1).columns or _USUAL_COLUMNS
    return _USUAL_COLUMNS


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{self.prog}: {message}\n")

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """Say what is not known, and what is."""
        there = sorted(action.option_strings[-1] for action in self._actions if action.option_strings)
        if self._subparsers is not None:
            there += [verb.NAME for verb in VERBS]
        words = [word if word.isprintable() else ascii(word) for word in unknown]  # so that it is one line
        self.error(f"unknown: {' '.join(words)}; there is {', '.join(there)}")


def _parser(words: Sequence[str]) -> _Parser:
    parser = _Parser(
        "anycreds",
        description="AWS credentials for trio and asyncio programs.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", prog=parser.prog)
    for verb in VERBS:
        child = verbs.add_parser(
            verb.NAME,
            help=verb.SUMMARY,
            description=verb.DESCRIPTION,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        child.set_defaults(run=verb.run, parser=child)
        if verb.NAME in words:  # to make the options of all verbs takes as long as to find keys in the environment
            verb.add_arguments(child)
    return parser


def _drop_output() -> None:
    """Let nothing more be written to where nobody reads, or the interpreter complains when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
