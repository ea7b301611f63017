"""``explain``: show where credentials are looked for, what is found, and what to do next. Prints no secrets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .._common import DONE, FAILED, add_options, print_text
from .inspect import explain
from .report import document, text

DESCRIPTION = (
    "Tries the providers of the default chain in order, as a program would. Prints for each where it looked, the "
    "result, and how long it took. Prints no secrets. Exits with 1 if no credentials are found."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    add_options(parser, "print one JSON document")


def run(arguments: Namespace) -> int:
    """Try the providers and print the explanation. Return the exit status."""
    explanation = explain(arguments.profile)
    print_text(document(explanation) if arguments.json else text(explanation))
    return FAILED if explanation.credentials is None else DONE
