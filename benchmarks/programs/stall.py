"""Measure the longest stall of the event loop in a fresh process, during its first call of a provider or without one.

Arguments: the event loop, and ``nothing`` or one of ``VARIANTS``, which the environment configures. Prints the longest
stall, the duration of the call and the longest garbage collection, in seconds. The event loops are used without anyio,
so that the modules which anyio loads for them are part of the call.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import anycreds

TICK = 0.001
SETTLE = 0.02  # seconds until the start of the event loop is over
IDLE = 0.3  # seconds: about the duration of a first call

Sleep = Callable[[float], Awaitable[None]]

ROLE = "arn:aws:iam::123456789012:role/Demo"
POOL = "us-east-1:00000000-0000-4000-8000-00000000c0de"  # the default pool of FakeAWS
VARIANTS: dict[str, Callable[[], anycreds.CredentialProvider]] = {
    "environment": anycreds.from_default_chain,
    "keys": lambda: anycreds.from_ini("keys"),
    "process": lambda: anycreds.from_process("process"),
    "container": anycreds.from_container_metadata,
    "imds": anycreds.from_instance_metadata,
    "role": lambda: anycreds.from_temporary_credentials(ROLE, source_credentials=anycreds.from_env()),
    "profile": lambda: anycreds.from_ini("role"),
    "sso": lambda: anycreds.from_sso("sso"),
    "login": lambda: anycreds.from_login_credentials("login"),
    "cognito": lambda: anycreds.from_cognito_identity_pool(POOL),
    "chain": anycreds.from_default_chain,
}


class Ticker:
    """A task that runs every millisecond and records its longest delay."""

    def __init__(self, sleep: Sleep) -> None:
        self.sleep = sleep
        self.longest = 0.0
        self.is_running = True
        self.collection_began = 0.0
        self.longest_collection = 0.0
        gc.callbacks.append(self.collecting)

    def collecting(self, phase: str, info: dict[str, Any]) -> None:
        """Record the duration of a garbage collection in any thread, since it stops all threads."""
        now = perf_counter()
        if phase == "start":
            self.collection_began = now
        else:
            self.longest_collection = max(self.longest_collection, now - self.collection_began)

    async def run(self) -> None:
        """Tick until ``is_running`` is false."""
        last = perf_counter()
        while self.is_running:
            await self.sleep(TICK)
            now = perf_counter()
            self.longest = max(self.longest, now - last - TICK)
            last = now

    async def watch(self, task: str) -> None:
        """Run the task, and print the figures."""
        await self.sleep(SETTLE)
        self.longest = self.longest_collection = 0.0
        started = perf_counter()
        if task == "nothing":
            await self.sleep(IDLE)
        else:
            await VARIANTS[task]()()
        seconds = perf_counter() - started
        await self.sleep(2 * TICK)  # a stall at the end is recorded by the next tick
        self.is_running = False
        print(self.longest, seconds, self.longest_collection)


async def on_trio(task: str) -> None:
    """Run the ticker and the task in a nursery."""
    import trio

    ticker = Ticker(trio.sleep)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ticker.run)
        await ticker.watch(task)


async def on_asyncio(task: str) -> None:
    """Run the ticker and the task as asyncio tasks."""
    import asyncio

    ticker = Ticker(asyncio.sleep)
    ticking = asyncio.create_task(ticker.run())
    await ticker.watch(task)
    await ticking


def main(loop: str, task: str) -> None:
    """Run the task that the arguments select."""
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
