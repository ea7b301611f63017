"""Four tasks in two processes get credentials from a provider that is sent to them without secrets."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import anycreds


def work(provider: anycreds.CachedProvider, item: str) -> str:
    """Return the key that a task uses, and in which process."""
    credentials = asyncio.run(provider())
    return f"{item} as {credentials.access_key_id[:4]}…, process {os.getpid()}"


def main() -> None:
    """Run the tasks."""
    role = anycreds.from_temporary_credentials("arn:aws:iam::123456789012:role/Reader")
    provider = anycreds.cached(role)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for line in pool.map(partial(work, provider), ["a", "b", "c", "d"]):
            print(line)


if __name__ == "__main__":
    main()
