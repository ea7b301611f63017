"""``process``: print credentials as the ``credential_process`` of a profile, for any AWS tool."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ._common import DONE, add_options, write_output
from ._credentials import get_credentials
from ._formats import as_process

DESCRIPTION = (
    "Prints the credentials of a profile, or of the default chain, in the format that AWS tools read from a "
    "credential_process. In ~/.aws/config: credential_process = anycreds process --profile NAME, in a profile with "
    "another name. Exits with 1 if no credentials are found, with 2 if the profile does not exist."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    add_options(parser, "print errors as one JSON object")


def run(arguments: Namespace) -> int:
    """Print the credentials. Return the exit status."""
    write_output(as_process(get_credentials(arguments.profile)))
    return DONE
