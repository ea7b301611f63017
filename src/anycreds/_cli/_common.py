"""What the commands share: their options, and printing results and errors.

Standard output gets the result and nothing else, because programs parse and evaluate it. Errors go to standard error,
with ``--json`` as one JSON object in one line.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .. import CredentialsError, ProfileNotFoundError

DONE, FAILED, WRONG_USE = range(3)  # exit statuses; 2 is also that of argparse and most Unix tools
# An error message lists so many of the existing profiles.
MAX_LISTED_PROFILES = 10


class CommandError(Exception):
    """A command failed for another reason than missing credentials. ``status`` is the exit status."""

    def __init__(self, message: str, *, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def add_options(parser: ArgumentParser, json_help: str) -> None:
    """Declare the options that all commands share, except demo."""
    parser.add_argument("--profile", type=_profile, metavar="NAME", help="use this profile instead of AWS_PROFILE")
    parser.add_argument("--json", action="store_true", help=json_help)


def _profile(argument: str) -> str:
    # A blank name means "not set" elsewhere. Here it comes from a shell variable that was never set.
    if not argument.strip() or "\0" in argument:
        raise ArgumentTypeError(f"{argument!r} is not the name of a profile")
    return argument


def with_option_names(text: str) -> str:
    """Return a message of the library with ``--profile`` instead of the name of the argument in Python."""
    return text.replace("option profile", "--profile")


def report_no_credentials(command: str, error: CredentialsError, profile: str | None, *, as_json: bool) -> int:
    """Print why there are no credentials. Return the exit status."""
    message, status = str(error), FAILED
    if isinstance(error, ProfileNotFoundError):
        from ._profiles import profile_names, selected_name  # it imports asyncio

        if error.profile == selected_name(profile):  # otherwise another profile refers to the one that is missing
            status = WRONG_USE
            if error.hint is None:
                names = profile_names()
                message += f"; existing profiles: {list_profiles(names)}" if names else "; there are no profiles"
    print_error(command, error, message, as_json=as_json)
    return status


def list_profiles(names: Sequence[str]) -> str:
    """Return the first of the profiles, in one line."""
    return ", ".join([*map(ascii, names[:MAX_LISTED_PROFILES]), *(["..."] if len(names) > MAX_LISTED_PROFILES else [])])


def print_error(
    command: str, error: CredentialsError | str, message: str | None = None, *, as_json: bool = False
) -> None:
    """Print an error of a command to standard error. ``message`` replaces the error's own text."""
    if sys.stderr is None:
        return
    text = with_option_names(str(error) if message is None else message)
    if as_json:
        name = type(error).__name__ if isinstance(error, CredentialsError) else None
        fields = {"hint": getattr(error, "hint", None), "command": getattr(error, "command", None)}
        text = to_json({"error": name, "message": text, **fields})
    else:
        text = f"anycreds {command}: {text}"
    print(text, file=sys.stderr, flush=True)


def print_text(text: str) -> None:
    """Print text that users read, with escapes for characters that the output's encoding lacks."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    write_output(text.encode(encoding, "backslashreplace").decode(encoding))


def write_output(text: str) -> None:
    """Print a result, which may be secret. Raises ``CommandError``."""
    if sys.stdout is None:
        raise CommandError("standard output is closed")
    try:
        sys.stdout.write(f"{text}\n")  # in one call, so that nothing is printed if a part cannot be encoded
        sys.stdout.flush()
        return
    except UnicodeEncodeError:
        problem = f"its encoding is {sys.stdout.encoding}, which lacks characters of the credentials"
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = f"{error.strerror}"
    close_output()
    # Outside the except blocks, because a UnicodeEncodeError holds the text.
    raise CommandError(f"unable to write to standard output: {problem}")


def close_output() -> None:
    """Close standard output for its reader, and discard what is written later."""
    with suppress(OSError, ValueError, AttributeError):  # it is not a file, or was closed before the start
        descriptor = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def to_json(document: Mapping[str, object], indent: int | None = None) -> str:
    """Return a JSON document in one line, or with an indent."""
    import json  # the other formats do not need it, and it takes 2 ms

    return json.dumps(document, indent=indent)
