"""``explain``: where credentials are looked for, in order, what was found there, and what to do next. No secrets."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

NAME = "explain"
SUMMARY = "show where credentials are looked for, what is found there, and what to do next"
DESCRIPTION = (
    "Asks the providers of the default chain in order, as a program would, and tells of each where it looked, what "
    "came of it and how long that took. Shows no secret. Exits with 1 if there are no credentials."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--profile", metavar="NAME", help="as if AWS_PROFILE were this")
    parser.add_argument("--json", action="store_true", help="print one JSON document, and nothing else")


def run(arguments: Namespace) -> int:
    """Look, and tell. Return the exit status."""
    from ._explaining import explain

    explanation = explain(arguments.profile)
    if arguments.json:
        from ._explain_json import document

        print(document(explanation))
    else:
        from ._explain_text import told

        print(told(explanation))
    return 0 if explanation.credentials is not None else 1
