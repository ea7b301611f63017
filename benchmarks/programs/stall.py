"""Say how long the event loop of a fresh process stood still at most, while it did its first resolve, or nothing.

Arguments: the event loop, the metadata endpoint, ``resolve`` or ``nothing``. Prints the longest stall and how long the
whole took, in seconds. The event loops are used as they are: what anyio loads for them counts as the resolve's.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from time import perf_counter

import anycreds

TICK = 0.001
SETTLE = 0.02  # seconds, until the loop's own first steps are done
IDLE = 0.3  # seconds, about as long as the first resolve takes

Sleep = Callable[[float], Awaitable[None]]


class Ticker:
    """A task that wants to run every millisecond, and notes the longest time that it was late."""

    def __init__(self, sleep: Sleep) -> None:
        self.sleep = sleep
        self.longest = 0.0
        self.is_running = True

    async def run(self) -> None:
        """Tick until told to stop, and once more after that."""
        last = perf_counter()
        while self.is_running:
            await self.sleep(TICK)
            now = perf_counter()
            self.longest = max(self.longest, now - last - TICK)
            last = now

    async def watch(self, endpoint: str, task: str) -> None:
        """Do the task, and print."""
        await self.sleep(SETTLE)
        self.longest = 0.0
        started = perf_counter()
        if task == "resolve":
            await anycreds.from_instance_metadata(endpoint=endpoint)()
        else:
            await self.sleep(IDLE)
        seconds = perf_counter() - started
        await self.sleep(2 * TICK)  # a stall at the very end shows at the next tick
        self.is_running = False
        print(self.longest, seconds)


async def on_trio(endpoint: str, task: str) -> None:
    """Run both in a nursery."""
    import trio

    ticker = Ticker(trio.sleep)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticker.run)
        await ticker.watch(endpoint, task)


async def on_asyncio(endpoint: str, task: str) -> None:
    """Run both as tasks."""
    import asyncio

    ticker = Ticker(asyncio.sleep)
    ticking = asyncio.create_task(ticker.run())
    await ticker.watch(endpoint, task)
    await ticking


def main(loop: str, endpoint: str, task: str) -> None:
    """Do what the arguments say."""
    if loop == "trio":
        import trio

        trio.run(on_trio, endpoint, task)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(on_asyncio(endpoint, task))
    else:
        import asyncio

        asyncio.run(on_asyncio(endpoint, task))


if __name__ == "__main__":
    main(*sys.argv[1:])
