"""Gets three responses of a server and prints by how many KiB the memory grew for the third.

A program for ``test_memory.py``. Arguments: the kind of provider, and its URL. The kind "nothing" takes 8 MiB itself.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import anyio

import anycreds
from anycreds import ClientConfig, Credentials, CredentialsError
from anycreds.testing import CANARY


def peak() -> int:
    """Return the largest amount of memory in use since the last reset, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError


def create(kind: str, url: str) -> anycreds.Provider:
    if kind == "container":
        return anycreds.from_http(full_uri=url, max_retries=0, timeout=20.0)
    if kind == "process":
        return anycreds.from_process()

    async def keys() -> Credentials:
        return Credentials("AKID", f"{CANARY}-s")

    config = ClientConfig(region="us-east-1", endpoint_url=url, max_attempts=1)
    return anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/Demo", source_credentials=keys, client_config=config
    )


def reset_peak() -> None:
    """Let the peak be what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


async def main(kind: str, url: str) -> None:
    size = 8 << 20
    for _ in range(2 if kind != "nothing" else 0):  # loads the library
        await call(kind, url)
    reset_peak()
    before = peak()
    if kind == "nothing":
        b"x" * size
    else:
        await call(kind, url)
    sys.stdout.write(f"{peak() - before}\n")


async def call(kind: str, url: str) -> None:
    with suppress(CredentialsError):
        await create(kind, url)()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
