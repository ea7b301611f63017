"""``python -m benchmarks.workers PEER LOOP``: see ``benchmarks.workers``."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from .jobs import jobs


def main(peer: str, loop: str) -> None:
    """Run the jobs from the standard input."""
    setup = partial(import_module(f"benchmarks.peers.{peer}").setup, loop)
    run = import_module(f"{__package__}.on_{loop}").run
    for job in jobs():
        run(setup, job)


if __name__ == "__main__":
    main(*sys.argv[1:])
