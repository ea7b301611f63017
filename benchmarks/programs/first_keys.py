"""Time a fresh process from its first line to its first keys, or to the import of the event loop.

Arguments: the event loop, then ``import``, ``env`` (``from_env``) or ``chain`` (``from_default_chain``).
Prints the seconds, then the names of all loaded modules.
"""

from __future__ import annotations

import sys
from time import perf_counter

STARTED = perf_counter()


async def with_env() -> None:
    """Get the keys of the environment."""
    import anycreds

    await anycreds.from_env()()


async def with_chain() -> None:
    """Get the same keys by the default chain."""
    import anycreds

    await anycreds.from_default_chain()()


FIRST = {"env": with_env, "chain": with_chain}


def main(loop: str, variant: str) -> None:
    """Do what the arguments select, and print the figures."""
    event_loop = __import__(loop)
    if variant in FIRST:
        __import__("anycreds")  # before the event loop runs, as programs do
        first = FIRST[variant]
        event_loop.run(first if loop == "trio" else first())
    seconds = perf_counter() - STARTED
    print(seconds, *sorted(sys.modules))


if __name__ == "__main__":
    main(*sys.argv[1:])
