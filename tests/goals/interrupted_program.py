"""Calls a provider without end, until Ctrl-C: a program for ``test_processes.py``. Arguments: how it runs, a URL."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import anyio
import trio

import anycreds


async def main(url: str) -> None:
    made = anycreds.from_http(full_uri=url, timeout=30.0) if url != "process" else anycreds.from_process()
    provider = anycreds.cached(made)
    sys.stdout.write("started\n")
    sys.stdout.flush()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(call, provider)


async def call(provider: anycreds.CachedProvider) -> None:
    while True:
        with suppress(anycreds.CredentialsError):
            await provider()
        await anyio.sleep(0.01)


if __name__ == "__main__":
    how, url = sys.argv[1:]
    if how == "run":
        asyncio.run(main(url))
    elif how == "run_until_complete":
        asyncio.new_event_loop().run_until_complete(main(url))
    else:
        trio.run(main, url)
