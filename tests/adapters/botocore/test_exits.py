"""How a process ends that has waited for credentials: at once, without a word, and whatever is in the air."""

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
    await anyio.to_thread.run_sync(time.sleep, 0)  # leaves a worker thread that waits for more to do
    return Credentials("AKIDONE", "secret")

is_asked = threading.Event()

async def never():
    print("asked", flush=True)
    is_asked.set()
    try:
        await anyio.sleep_forever()
    finally:
        print("ended", flush=True)

def ask(provider):
    print(get_blocking(provider, backend).access_key_id, flush=True)

"""

# What newer Pythons say to everybody who forks with more than one thread.
FORKING = "ignore:.*multi-threaded:DeprecationWarning"

LATER = """
def later():
    threading.main_thread().join()
    ask(cached(source))

ask(cached(source))
threading.Thread(target=later).start()
"""

PROGRAMS = {
    "idle": ("ask(cached(source))", ["AKIDONE"]),
    "in_the_air": (
        "threading.Thread(target=ask, args=(cached(never),), daemon=True).start()\nis_asked.wait()",
        ["asked", "ended"],
    ),
    "other_threads_go_on": (LATER, ["AKIDONE", "AKIDONE"]),
    "by_an_error": ("ask(cached(source))\nsys.exit(0)", ["AKIDONE"]),
    "an_exit_handler_asks": (
        # registered before ours: it runs when the loop has ended
        "provider = cached(source)\natexit.register(lambda: ask(provider))\nask(provider)",
        ["AKIDONE", "AKIDONE"],
    ),
    "forked": (
        "ask(cached(source))\nif os.fork():\n    os.wait()\nelse:\n    ask(cached(source))",
        ["AKIDONE", "AKIDONE"],
    ),
    "forked_and_idle": ("ask(cached(source))\nif os.fork():\n    os.wait()", ["AKIDONE"]),
    "forked_without_an_end": (
        "ask(cached(source))\nif os.fork():\n    os.wait()\nelse:\n    ask(cached(source))\n    os._exit(0)",
        ["AKIDONE", "AKIDONE"],
    ),
}


def run(program: str, backend: str) -> tuple[int, list[str], str]:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-W", FORKING, "-c", START + program, backend],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=15,  # seconds, on a busy machine; it needs one
        check=False,
    )
    return done.returncode, done.stdout.split(), done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_quiet_end(name: str, backend: str) -> None:
    """The process ends with its own exit code, and nothing is complained of though every warning is an error."""
    if name.startswith("forked") and not hasattr(os, "fork"):
        pytest.skip("there is no fork here")
    program, said = PROGRAMS[name]
    assert run(program, backend) == (0, said, "")
