"""``explain``: show where credentials are looked for, what is found, and what to do next. Prints no secrets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .._common import DONE, FAILED, add_options, print_text

NAME = "explain"
SUMMARY = "show where credentials are looked for, what is found, and what to do next"
DESCRIPTION = (
    "Tries the providers of the default chain in order, as a program would. Prints for each where it looked, the "
    "result, and how long it took. Prints no secrets. Exits with 1 if no credentials are found."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    add_options(parser, "print one JSON document")


def run(arguments: Namespace) -> int:
    """Try the providers and print the explanation. Return the exit status."""
    from .inspect import explain

    explanation = explain(arguments.profile)
    if arguments.json:
        from .json import render
    else:
        from .text import render
    print_text(render(explanation))
    return FAILED if explanation.credentials is None else DONE
