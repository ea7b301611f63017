"""How a process exits that has made blocking calls: at once, without output, even during a refresh."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[3] / "src"

START = """
import atexit, os, sys, threading, time
import anyio, anyio.to_thread
from anycreds import Credentials, cached
from anycreds.adapters._blocking_portal import get_blocking

backend = sys.argv[1]

async def source():
    await anyio.to_thread.run_sync(time.sleep, 0)  # leaves an idle worker thread
    return Credentials("AKIDONE", "secret")

is_called = threading.Event()

async def never():
    print("called", flush=True)
    is_called.set()
    try:
        await anyio.sleep_forever()
    finally:
        print("cancelled", flush=True)

def call(provider):
    print(get_blocking(provider, backend).access_key_id, flush=True)

"""

# Newer Pythons warn about every fork with more than one thread.
FORKING = "ignore:.*multi-threaded:DeprecationWarning"

LATER = """
def later():
    threading.main_thread().join()
    call(cached(source))

call(cached(source))
threading.Thread(target=later).start()
"""

PROGRAMS = {
    "idle": ("call(cached(source))", ["AKIDONE"]),
    "during_a_refresh": (
        "threading.Thread(target=call, args=(cached(never),), daemon=True).start()\nis_called.wait()",
        ["called", "cancelled"],
    ),
    "other_threads_continue": (LATER, ["AKIDONE", "AKIDONE"]),
    "by_sys_exit": ("call(cached(source))\nsys.exit(0)", ["AKIDONE"]),
    "an_exit_handler_calls": (
        # registered before ours, so it runs after the loop was stopped
        "provider = cached(source)\natexit.register(lambda: call(provider))\ncall(provider)",
        ["AKIDONE", "AKIDONE"],
    ),
    "forked": (
        "call(cached(source))\nif os.fork():\n    os.wait()\nelse:\n    call(cached(source))",
        ["AKIDONE", "AKIDONE"],
    ),
    "forked_and_idle": ("call(cached(source))\nif os.fork():\n    os.wait()", ["AKIDONE"]),
    "forked_without_exit_handlers": (
        "call(cached(source))\nif os.fork():\n    os.wait()\nelse:\n    call(cached(source))\n    os._exit(0)",
        ["AKIDONE", "AKIDONE"],
    ),
}


def run(program: str, backend: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-W", FORKING, "-c", START + program, backend],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=15,  # seconds; a run needs about one
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


# Each program takes half a second, so only those that stop an event loop in different ways also run on trio.
RUNS = [(name, "asyncio") for name in PROGRAMS] + [(name, "trio") for name in ("idle", "during_a_refresh", "forked")]


@pytest.mark.parametrize(("name", "backend"), RUNS)
def test_process_exits_quietly(name: str, backend: str) -> None:
    """The process exits with its own code and prints no warning, with every warning turned into an error."""
    if name.startswith("forked") and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    program, output = PROGRAMS[name]
    assert run(program, backend) == (0, output, "")
