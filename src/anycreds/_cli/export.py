"""``export``: prints credentials in a form that a shell or another program takes."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ._common import add_options, deliver, obtain, refuse

NAME = "export"
SUMMARY = "print credentials for a shell or a program"
DESCRIPTION = (
    "Prints the credentials of a profile, or of the default chain. The formats: process, as credential_process has it; "
    'env, for a POSIX shell: eval "$(anycreds export --format env)"; powershell, for Invoke-Expression; json, every '
    "field that there is. env and powershell remove AWS_PROFILE and what is left of other keys; the region is no part "
    "of it. Exits with 1 if there are no credentials, with 2 if there is no such profile."
)

# The names of the formats, which stand in _formats. It is not needed for the help.
FORMATS = ("process", "env", "json", "powershell")


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument("--format", choices=FORMATS, default=None, help="default: process")
    add_options(parser, "the same as --format json, and errors as one JSON object, too")


def run(arguments: Namespace) -> int:
    """Ask and print. Return the exit status."""
    credentials = obtain(arguments.profile)
    if isinstance(credentials, Exception):
        return refuse(NAME, credentials, arguments.profile, as_json=arguments.json)
    from ._formats import FORMATS as ALL

    form = arguments.format or ("json" if arguments.json else FORMATS[0])
    return deliver(NAME, ALL[form](credentials), as_json=arguments.json)
