"""``python -m benchmarks.workers PEER LOOP``: see ``benchmarks.workers``."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module

from .jobs import jobs


def main(peer: str, loop: str) -> None:
    """Do the jobs that stand on the standard input."""
    opened = partial(import_module(f"benchmarks.peers.{peer}").opened, loop)
    play = import_module(f"{__package__}.on_{loop}").play
    for job in jobs():
        play(opened, job)


if __name__ == "__main__":
    main(*sys.argv[1:])
