"""``demo``: a thousand tasks share one refresh, on trio and on asyncio, measured over real sockets.

This file knows the options only, so that other verbs do not pay for what the demo loads. ``_demo_run`` does it:
what happens is in ``_demo_acts``, what is promised in ``_demo_figures``; it is told in ``_demo_text``, drawn in
``_demo_svg``.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "demo"
SUMMARY = "show how many tasks share one refresh, on trio and asyncio"
DESCRIPTION = (
    "Starts a fake EC2 metadata service on this machine, lets many tasks ask for its credentials at once (cold, fresh, "
    "in the advisory window, at expiry), and tells who waited how long. Exits with 1 if anything is not as promised."
)

BACKENDS = ("trio", "asyncio")
MOST_CALLERS = 100_000  # about 1 GB of tasks


def add_arguments(parser: ArgumentParser) -> None:
    """Say which options there are."""
    parser.add_argument(
        "--callers", type=_callers, default=1000, metavar="N", help="how many tasks ask at once (default: 1000)"
    )
    parser.add_argument("--backend", choices=BACKENDS, help="only this one (default: trio, if installed, and asyncio)")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON document, and nothing else")
    parser.add_argument("--svg", type=_writable, metavar="FILE", help="also draw a picture into this file")


def run(arguments: Namespace) -> int:
    """Play, tell and judge. Return the exit status."""
    from .command import show

    backends = (arguments.backend,) if arguments.backend else BACKENDS
    return show(arguments.callers, backends, arguments.svg, as_json=arguments.json)


def _callers(argument: str) -> int:
    if argument.isascii() and argument.isdigit() and len(argument) <= 9 and 1 <= int(argument) <= MOST_CALLERS:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a whole number from 1 to {MOST_CALLERS:,}")


def _writable(argument: str) -> Path:
    """Return the path of a file that can be written, which is tried before the demo takes its time."""
    from pathlib import Path  # it takes longer to load than all verbs together

    path = Path(argument)
    try:
        was_there = path.exists()
        with path.open("ab"):
            pass
        if not was_there:
            path.unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArgumentTypeError(f"{argument!r} cannot be written: {reason}") from None
    return path
