"""Find no credentials in a fresh process, where the metadata port never answers; or sleep for as long as that may take.

Arguments: the event loop, the metadata endpoint, ``resolve`` or ``sleep``. Prints the name of the error.
"""

from __future__ import annotations

import sys

import anyio

SECONDS = 1.0  # how long an exchange with the metadata service may take, by default


async def resolve(endpoint: str) -> None:
    """Ask the default chain."""
    import anycreds

    try:
        await anycreds.from_default_chain(endpoint=endpoint)()
    except anycreds.NoCredentialsError as error:
        print(type(error).__name__)


async def sleep(endpoint: str) -> None:
    """Wait as long as the metadata service is given, and do nothing else."""
    await anyio.sleep(SECONDS)
    print(endpoint)


def main(loop: str, endpoint: str, task: str) -> None:
    """Do what the arguments say."""
    does = resolve if task == "resolve" else sleep
    if loop == "trio":
        import trio

        trio.run(does, endpoint)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(does(endpoint))
    else:
        import asyncio

        asyncio.run(does(endpoint))


if __name__ == "__main__":
    main(*sys.argv[1:])
