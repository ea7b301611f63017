"""Find no credentials with a metadata port that never responds, or sleep for as long as its timeout.

Arguments: the event loop, the metadata endpoint, ``resolve`` or ``sleep``. Prints the name of the error.
"""

from __future__ import annotations

import sys

import anyio

SECONDS = 1.0  # the default timeout of the metadata service


async def resolve(endpoint: str) -> None:
    """Call the default chain."""
    import anycreds

    try:
        await anycreds.from_default_chain(endpoint=endpoint)()
    except anycreds.NoCredentialsError as error:
        print(type(error).__name__)


async def sleep(endpoint: str) -> None:
    """Sleep for the timeout of the metadata service."""
    await anyio.sleep(SECONDS)
    print(endpoint)


def main(loop: str, endpoint: str, task: str) -> None:
    """Run the task that the arguments select."""
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
