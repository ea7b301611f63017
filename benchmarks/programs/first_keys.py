"""Time a fresh process from its first line to the end of a first coroutine: with anyio alone, or with anycreds.

Arguments: the event loop, then ``anyio``, ``wait``, ``env`` (``from_env``) or ``chain`` (``from_default_chain``).
Prints the seconds, then the names of all loaded modules.
"""

from __future__ import annotations

import sys
from time import perf_counter

STARTED = perf_counter()


async def with_anyio() -> None:
    """Do nothing."""


async def with_wait() -> None:
    """Wait once with anyio, as libraries for several event loops do."""
    import anyio

    event = anyio.Event()
    event.set()
    with anyio.move_on_after(1):
        await event.wait()


async def with_env() -> None:
    """Get the keys of the environment."""
    import anycreds

    await anycreds.from_env()()


async def with_chain() -> None:
    """Get the same keys by the default chain."""
    import anycreds

    await anycreds.from_default_chain()()


FIRST = {"anyio": with_anyio, "wait": with_wait, "env": with_env, "chain": with_chain}


def main(loop: str, variant: str) -> None:
    """Run and time the coroutine that the arguments select."""
    __import__("anycreds" if variant in ("env", "chain") else "anyio")  # before the event loop runs, as programs do
    first = FIRST[variant]
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
