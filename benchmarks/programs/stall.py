"""Say how long the event loop of a fresh process stood still at most, while it did its first resolve, or nothing.

Arguments: the event loop, and ``nothing`` or one of ``WAYS``; whom to ask stands in the environment. Prints the longest
stall, how long the whole took, and the longest garbage collection in it, in seconds. The event loops are used as they
are: what anyio loads for them counts as the resolve's.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import anycreds

TICK = 0.001
SETTLE = 0.02  # seconds, until the loop's own first steps are done
IDLE = 0.3  # seconds, about as long as the first resolve takes

Sleep = Callable[[float], Awaitable[None]]

ROLE = "arn:aws:iam::123456789012:role/Demo"
POOL = "us-east-1:00000000-0000-4000-8000-00000000c0de"  # the one that FakeAWS has
WAYS: dict[str, Callable[[], anycreds.CredentialProvider]] = {
    "imds": anycreds.from_instance_metadata,
    "role": lambda: anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_env()),
    "profile": lambda: anycreds.from_ini("role"),
    "sso": lambda: anycreds.from_sso("sso"),
    "login": lambda: anycreds.from_login_credentials("login"),
    "cognito": lambda: anycreds.from_cognito_identity_pool(POOL),
    "chain": anycreds.from_default_chain,
}


class Ticker:
    """A task that wants to run every millisecond, and notes the longest time that it was late."""

    def __init__(self, sleep: Sleep) -> None:
        self.sleep = sleep
        self.longest = 0.0
        self.is_running = True
        self.collection_began = 0.0
        self.longest_collection = 0.0
        gc.callbacks.append(self.collecting)

    def collecting(self, phase: str, info: dict[str, Any]) -> None:
        """Note how long a garbage collection takes, in whichever thread: all of them stand still meanwhile."""
        now = perf_counter()
        if phase == "start":
            self.collection_began = now
        else:
            self.longest_collection = max(self.longest_collection, now - self.collection_began)

    async def run(self) -> None:
        """Tick until told to stop, and once more after that."""
        last = perf_counter()
        while self.is_running:
            await self.sleep(TICK)
            now = perf_counter()
            self.longest = max(self.longest, now - last - TICK)
            last = now

    async def watch(self, task: str) -> None:
        """Do the task, and print."""
        await self.sleep(SETTLE)
        self.longest = self.longest_collection = 0.0
        started = perf_counter()
        if task == "nothing":
            await self.sleep(IDLE)
        else:
            await WAYS[task]()()
        seconds = perf_counter() - started
        await self.sleep(2 * TICK)  # a stall at the very end shows at the next tick
        self.is_running = False
        print(self.longest, seconds, self.longest_collection)


async def on_trio(task: str) -> None:
    """Run both in a nursery."""
    import trio

    ticker = Ticker(trio.sleep)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticker.run)
        await ticker.watch(task)


async def on_asyncio(task: str) -> None:
    """Run both as tasks."""
    import asyncio

    ticker = Ticker(asyncio.sleep)
    ticking = asyncio.create_task(ticker.run())
    await ticker.watch(task)
    await ticking


def main(loop: str, task: str) -> None:
    """Do what the arguments say."""
    if loop == "trio":
        import trio

        trio.run(on_trio, task)
    elif loop == "uvloop":
        import uvloop

        uvloop.run(on_asyncio(task))
    else:
        import asyncio

        asyncio.run(on_asyncio(task))


if __name__ == "__main__":
    main(*sys.argv[1:])
