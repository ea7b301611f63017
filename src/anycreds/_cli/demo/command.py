"""Run the demo on each backend, print the results, and choose the exit status."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import anyio

from ...testing import FakeAWS
from .._common import DONE, FAILED, WRONG_USE, CommandError, print_error, print_text, write_output
from .checks import broken_promises
from .report import HEADING, document, row
from .scenarios import LATENCY, run_scenarios

NO_TRIO = "trio is not installed; to include it, run: python -m pip install trio"


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
