"""``demo``: measure how 1,000 tasks share one cached provider, on trio and asyncio, over real sockets."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from .command import run_demo

DESCRIPTION = (
    "Starts a fake EC2 metadata service on this machine and lets many tasks call one cached provider at the same "
    "moment: with nothing cached, with fresh credentials, in the advisory window and after expiration. Prints how many "
    "upstream calls were made and how long the tasks waited. Exits with 1 if a promise of the cache is broken."
)
BACKENDS = ("trio", "asyncio")
MAX_CALLERS = 100_000  # these tasks need about 1 GB of memory


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--callers", type=_callers, default=1000, metavar="N", help="number of tasks (default: 1000)")
    parser.add_argument("--backend", choices=BACKENDS, help="use this backend only (default: both, trio if installed)")
    parser.add_argument("--json", action="store_true", help="print one JSON document with the timeline of every caller")


def run(arguments: Namespace) -> int:
    """Run the scenarios and print the results. Return the exit status."""
    return run_demo(arguments.callers, [arguments.backend] if arguments.backend else BACKENDS, as_json=arguments.json)


def _callers(argument: str) -> int:
    if argument.isascii() and argument.isdigit() and len(argument) <= 9 and 1 <= int(argument) <= MAX_CALLERS:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a whole number from 1 to {MAX_CALLERS:,}")
