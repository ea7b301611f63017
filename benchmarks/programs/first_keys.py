"""Time a fresh process from its first line to the end of a first coroutine: with anyio alone, or with anycreds.

Arguments: the event loop, then ``anyio`` or ``anycreds``. Prints the seconds, then the names of all loaded modules.
"""

from __future__ import annotations

import sys
from time import perf_counter

STARTED = perf_counter()


async def with_anyio() -> None:
    """Do nothing."""


async def with_anycreds() -> None:
    """Get the keys that stand in the environment."""
    import anycreds

    await anycreds.from_env()()


def main(loop: str, library: str) -> None:
    """Do what the arguments say."""
    __import__(library)  # before the event loop runs, as programs do
    first = with_anycreds if library == "anycreds" else with_anyio
    if loop == "trio":
        import trio

        trio.run(first)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(first())
    else:
        import asyncio

        asyncio.run(first())
    seconds = perf_counter() - STARTED
    print(seconds, *sorted(sys.modules))


if __name__ == "__main__":
    main(*sys.argv[1:])
