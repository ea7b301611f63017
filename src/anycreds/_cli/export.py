"""``export``: print credentials in a form that shells and programs read."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ._common import DONE, add_options, write_output
from ._credentials import get_credentials
from ._formats import FORMATS

DESCRIPTION = (
    "Prints the credentials of a profile, or of the default chain. Formats: process, for credential_process; env, for "
    'a POSIX shell: eval "$(anycreds export --format env)"; powershell, for Invoke-Expression; json, with every field. '
    "env and powershell also unset AWS_PROFILE and variables of other credentials. The region is not included. Exits "
    "with 1 if no credentials are found, with 2 if the profile does not exist."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--format", choices=[*FORMATS], default=None, help="default: process")
    add_options(parser, "same as --format json, and print errors as one JSON object")


def run(arguments: Namespace) -> int:
    """Print the credentials. Return the exit status."""
    credentials = get_credentials(arguments.profile)
    name = arguments.format or ("json" if arguments.json else "process")
    write_output(FORMATS[name](credentials))
    return DONE
