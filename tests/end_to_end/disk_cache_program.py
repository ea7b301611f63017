"""Several processes that share a role's credentials on disk. A program for ``test_disk_cache_processes.py``.

Arguments: the event loop, the number of processes, and the endpoint of STS. It forks, because importing everything in
each process would take most of the test, and prints the ids of the processes. For each line of its input, they await
their provider, and print their id and the access key id. For ``new`` they want newer credentials than they have, as at
an expiration; for ``first`` only the first of them does anything.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import anyio

import anycreds

# What the first call imports.
MODULES = (
    "filelock",
    "anycreds._providers.disk_cache.provider",
    "anycreds._providers.service.endpoint_resolution",
    "anycreds._providers.sts.assume_role",
    "anycreds._system.http.services",
    "anycreds._system.local",
)


def serve(commands: int, backend: str, endpoint: str) -> None:
    """Answer each line of a pipe."""
    role = anycreds.from_temporary_credentials(
        "arn:aws:iam::123456789012:role/Shared",
        source_credentials=anycreds.from_env(),
        client_config=anycreds.ClientConfig(region="us-east-1", endpoint_url=endpoint),
    )
    provider = anycreds.cached(anycreds.disk_cached(role))

    async def answer(*, refresh: bool) -> str:
        return (await provider(refresh=refresh)).access_key_id

    with os.fdopen(commands) as lines:
        for line in lines:
            found = anyio.run(lambda: answer(refresh=line == "new\n"), backend=backend)  # noqa: B023 - called at once
            os.write(1, f"{os.getpid()} {found}\n".encode())


def start(backend: str, endpoint: str, others: list[int]) -> tuple[int, int]:
    """Fork a process that serves. Return its id, and the pipe of its commands."""
    commands, ours = os.pipe()
    if (process := os.fork()) == 0:
        for pipe in (ours, *others):
            os.close(pipe)
        serve(commands, backend, endpoint)
        os._exit(0)
    os.close(commands)
    return process, ours


def main(backend: str, count: str, endpoint: str) -> None:
    """Start the processes, and pass the commands on."""
    for module in (*MODULES, f"anyio._backends._{backend}"):
        import_module(module)
    pipes: list[int] = []
    for _ in range(int(count)):
        process, pipe = start(backend, endpoint, pipes)
        pipes.append(pipe)
        os.write(1, f"{process}\n".encode())
    for line in sys.stdin:
        for pipe in pipes[:1] if line == "first\n" else pipes:
            os.write(pipe, line.encode())
    for pipe in pipes:
        os.close(pipe)
    for _ in pipes:
        os.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
