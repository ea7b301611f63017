"""``process``: what a profile of any AWS tool names as its ``credential_process``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from ._common import add_options, deliver, obtain, refuse

NAME = "process"
SUMMARY = "print credentials as the credential_process of a profile"
DESCRIPTION = (
    "Prints the credentials of a profile, or of the default chain, in the form that AWS tools take from a command. In "
    "~/.aws/config: credential_process = anycreds process --profile NAME, in a profile of another name. Exits with 1 "
    "if there are no credentials, with 2 if there is no such profile."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    add_options(parser, "print errors as one JSON object, too")


def run(arguments: Namespace) -> int:
    """Ask and print. Return the exit status."""
    credentials = obtain(arguments.profile)
    if isinstance(credentials, Exception):
        return refuse(NAME, credentials, arguments.profile, as_json=arguments.json)
    from ._formats import as_process

    return deliver(NAME, as_process(credentials), as_json=arguments.json)
