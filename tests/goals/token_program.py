"""Gets credentials of a profile each time it reads a line, and prints the outcome.

A program for ``test_token_files.py``. Arguments: the event loop, and the profile. Its umask forbids nothing.
"""

from __future__ import annotations

import os
import sys

import anyio

import anycreds


async def outcome(profile: str) -> str:
    """Return what a new provider returns or raises."""
    try:
        await anycreds.from_ini(profile)()
    except anycreds.CredentialsError as error:
        return type(error).__name__
    return "credentials"


async def main(profile: str) -> None:
    # One event loop for all rounds. It may block in between, since nothing else runs.
    for _ in sys.stdin:
        sys.stdout.write(f"{await outcome(profile)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.umask(0)
    anyio.run(main, sys.argv[2], backend=sys.argv[1])
