"""``demo``: measure how 1,000 tasks share one cached provider, on trio and asyncio, over real sockets."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import anyio

from ...testing import FakeAWS
from .._common import DONE, FAILED, WRONG_USE, CommandError, print_error, print_text, write_output
from .checks import broken_promises
from .report import HEADING, document, row
from .scenarios import LATENCY, run_scenarios

DESCRIPTION = (
    "Starts a fake EC2 metadata service on this machine and lets many tasks call one cached provider at the same "
    "moment: with nothing cached, with fresh credentials, in the advisory window and after expiration. Prints how many "
    "upstream calls were made and how long the tasks waited. Exits with 1 if a promise of the cache is broken."
)
BACKENDS = ("trio", "asyncio")
NO_TRIO = "trio is not installed; to include it, run: python -m pip install trio"
MAX_CALLERS = 100_000  # these tasks need about 1 GB of memory


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options of this command."""
    parser.add_argument("--callers", type=_callers, default=1000, metavar="N", help="number of tasks (default: 1000)")
    parser.add_argument("--backend", choices=BACKENDS, help="use this backend only (default: both, trio if installed)")
    parser.add_argument("--json", action="store_true", help="print one JSON document with the timeline of every caller")


def run(arguments: Namespace) -> int:
    """Run the scenarios and print the results. Return the exit status."""
    return run_demo(arguments.callers, [arguments.backend] if arguments.backend else BACKENDS, as_json=arguments.json)


def run_demo(callers: int, backends: Sequence[str], *, as_json: bool) -> int:
    """Run on those of the backends that are installed. Return the exit status."""
    show: Callable[[str], None] = (lambda _: None) if as_json else print_text
    installed = [name for name in backends if name != "trio" or find_spec("trio") is not None]
    if not installed:
        raise CommandError(NO_TRIO, status=WRONG_USE)
    if len(installed) < len(backends):
        show(f"{NO_TRIO}\n")
    for name in [name for name in os.environ if name.startswith("AWS_EC2_METADATA_")]:
        del os.environ[name]  # AWS_EC2_METADATA_DISABLED applies to every provider; the process ends with the demo
    runs = []
    with FakeAWS.in_thread() as aws:
        show(f"A fake EC2 metadata service at {aws.metadata_url} takes {LATENCY * 1000:.0f} ms per response.")
        show(f"In each scenario {callers:,} callers call one cached provider at the same moment.")
        for backend in installed:
            show(HEADING.format(backend))
            runs.append(anyio.run(run_scenarios, aws, backend, callers, backend=backend))
            show("\n".join(map(row, runs[-1].scenarios)))
    broken = [promise for run in runs for promise in broken_promises(run)]
    if as_json:
        write_output(json.dumps(document(runs, callers)))
    for promise in broken:
        print_error("demo", f"broken promise: {promise}")
    if not broken:
        show("\nAll promises hold: one refresh for all callers, no wait for valid credentials.")
    return FAILED if broken else DONE


def _callers(argument: str) -> int:
    if argument.isascii() and argument.isdigit() and len(argument) <= 9 and 1 <= int(argument) <= MAX_CALLERS:
        return int(argument)
    raise ArgumentTypeError(f"{argument!r} is not a whole number from 1 to {MAX_CALLERS:,}")
