"""``explain``: where credentials are looked for, in order, what was found there, and what to do next. No secrets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .._common import DONE, FAILED, add_options, show

NAME = "explain"
SUMMARY = "show where credentials are looked for, what is found there, and what to do next"
DESCRIPTION = (
    "Asks the providers of the default chain in order, as a program would, and tells of each where it looked, what "
    "came of it and how long that took. Shows no secret. Exits with 1 if there are no credentials."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    add_options(parser, "print one JSON document, and nothing else")


def run(arguments: Namespace) -> int:
    """Look, and tell. Return the exit status."""
    from .inspect import explain

    explanation = explain(arguments.profile)
    if arguments.json:
        from .json import document

        text = document(explanation)
    else:
        from .text import told

        text = told(explanation)
    status = show(NAME, text, as_json=arguments.json)
    return status if status != DONE or explanation.credentials is not None else FAILED
