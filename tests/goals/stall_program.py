"""Prints for how many milliseconds the event loop did nothing else while a provider was created and awaited.

A program for ``test_stalls.py``. Arguments: the event loop, the kind of provider, and its URL or profile. Time in which
the threads of the program were ready, but other programs had the cores, is not counted.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import anyio.lowlevel

import anycreds
from anycreds import CredentialsError

LONG = 0.002  # seconds; only gaps of this length are looked at


def delays() -> float:
    """Return the seconds that all threads of this program have waited for a core."""
    total = 0
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208
        with suppress(OSError), open(f"/proc/self/task/{thread}/schedstat") as file:  # noqa: PTH123
            total += int(file.read().split()[1])
    return total / 1e9


def block() -> anycreds.Provider:
    """Do what no provider does, so that a test sees that it is noticed."""
    time.sleep(0.02)
    return anycreds.from_env()


def create(kind: str, where: str) -> anycreds.Provider:
    factories: dict[str, Callable[[], anycreds.Provider]] = {
        "env": anycreds.from_env,
        "blocking": block,
        "container": lambda: anycreds.from_http(full_uri=where, timeout=20.0),
        "instance": lambda: anycreds.from_instance_metadata(endpoint=where, timeout=20.0),
        "cognito": lambda: anycreds.from_cognito_identity_pool("us-east-1:00000000-0000-4000-8000-00000000beef"),
        "default chain": anycreds.from_default_chain,
        "file": lambda: anycreds.from_ini(config_filepath=where),
        "profile": lambda: anycreds.from_ini(where),
    }
    return factories[kind]()


class Watch:
    """Runs beside the provider, and measures the time between its turns."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.turns = 0

    async def run(self) -> None:
        waited, last = delays(), time.perf_counter()
        while True:
            await anyio.lowlevel.checkpoint()
            gap = time.perf_counter() - last
            now_waited = delays()
            if gap > LONG:
                self.longest = max(self.longest, gap - (now_waited - waited))
            self.turns += 1
            waited, last = now_waited, time.perf_counter()


async def main(kind: str, where: str) -> None:
    watch = Watch()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        outcome = "credentials"
        try:
            await create(kind, where)()
        except CredentialsError as error:
            outcome = str(error)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    sys.stdout.write(f"{watch.longest * 1000:.3f} {watch.turns} {outcome}\n")


if __name__ == "__main__":
    anyio.run(main, sys.argv[2], sys.argv[3], backend=sys.argv[1])
