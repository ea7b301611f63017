"""What every verb that needs credentials does alike: its options, how it asks, and how it says what went wrong.

Standard output gets what was asked for and nothing else, as it is parsed and evaluated. What went wrong goes to
standard error, with ``--json`` as one JSON object in one line.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from typing import TYPE_CHECKING

from .. import Credentials, CredentialsError, ProfileNotFoundError

if TYPE_CHECKING:
    from .. import CachedProvider

DONE, FAILED, WRONG_USE = range(3)
# So many profiles are named to who asks for one that is not there.
MOST_NAMED = 10


def add_options(parser: ArgumentParser, json_help: str) -> None:
    """Say which options all of these verbs have."""
    parser.add_argument("--profile", type=_profile, metavar="NAME", help="as if AWS_PROFILE were this")
    parser.add_argument("--json", action="store_true", help=json_help)


def _profile(argument: str) -> str:
    # A blank name counts as none elsewhere, but "$PROFILE" that was never set is no wish for another identity.
    if not argument.strip() or "\0" in argument:
        raise ArgumentTypeError(f"{argument!r} is not the name of a profile")
    return argument


def obtain(profile: str | None) -> Credentials | CredentialsError:
    """Return the credentials of a profile, or of the default chain if it is None; or why there are none."""
    from .. import from_default_chain
    from ._recursion_guard import guarded

    with guarded(profile) as problem:
        return problem or asked(from_default_chain(profile), profile)


def asked(provider: CachedProvider, profile: str | None) -> Credentials | CredentialsError:
    """Return what a provider answers or raises. Asyncio is loaded with anyio anyway, and starts faster without it."""
    import asyncio

    try:
        return asyncio.run(provider())
    except CredentialsError as error:
        missed = error.with_traceback(None)
    from ._recursion_guard import explained

    return explained(missed, profile)


def refuse(verb: str, error: CredentialsError, profile: str | None, *, as_json: bool) -> int:
    """Say why there are no credentials. Return the exit status."""
    if not isinstance(error, ProfileNotFoundError):
        return complain(verb, error, as_json=as_json)
    from ._profiles import known, selected_name

    message = str(error)
    if error.profile == selected_name(profile) and error.hint is None:
        names = known()
        more = ", ..." if len(names) > MOST_NAMED else ""
        there = f"there is {', '.join(map(ascii, names[:MOST_NAMED]))}{more}" if names else "there are no profiles"
        message = f"{message}; {there}"
    is_misuse = error.profile == selected_name(profile)  # else a profile names another one that is missing
    return complain(verb, error, message, status=WRONG_USE if is_misuse else FAILED, as_json=as_json)


def complain(
    verb: str, problem: CredentialsError | str, message: str | None = None, *, status: int = FAILED, as_json: bool
) -> int:
    """Say what went wrong. Return the exit status."""
    error = problem if isinstance(problem, CredentialsError) else CredentialsError(problem)
    told = str(error) if message is None else message
    if as_json:
        import json

        name = type(error).__name__ if error is problem else None
        document = {"error": name, "message": told, "hint": error.hint, "command": getattr(error, "command", None)}
        told = json.dumps(document)
    else:
        told = f"anycreds {verb}: {told}"
    if sys.stderr is not None:
        print(told, file=sys.stderr, flush=True)
    return status


def show(verb: str, text: str, *, as_json: bool) -> int:
    """Print what people read, with escapes for what the output's encoding lacks. Return the exit status."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return deliver(verb, text.encode(encoding, "backslashreplace").decode(encoding), as_json=as_json)


def deliver(verb: str, text: str, *, as_json: bool) -> int:
    """Print what was asked for, which may be secret. Return the exit status."""
    if sys.stdout is None:
        return complain(verb, "standard output is closed", as_json=as_json)
    problem = None
    try:
        sys.stdout.write(f"{text}\n")  # at once, so that nothing of it is printed if a part cannot be
        sys.stdout.flush()
    except UnicodeEncodeError:
        problem = f"standard output is {sys.stdout.encoding}, and the credentials have other characters"
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = f"standard output cannot be written: {error.strerror}"
    if problem is None:
        return DONE
    drop_output()
    return complain(verb, problem, as_json=as_json)


def drop_output() -> None:
    """Close standard output, as far as its reader can tell; nothing more is written there."""
    with suppress(OSError, ValueError, AttributeError):  # it is no file, or was closed before the start
        descriptor = sys.stdout.fileno()
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
