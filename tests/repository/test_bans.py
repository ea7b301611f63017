"""The core does all I/O through ``Io``: ruff rejects clocks, randomness, files, threads and networks elsewhere.

The tests run ruff on snippets, so that a rule that it no longer applies is noticed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.rows import each_row

ROOT = Path(__file__).parents[2]

BANNED = """
import asyncio
import random
import socket
import ssl
import subprocess
import trio
import httpx
import threading
import time
import io
import os
import datetime as dt
from datetime import date, datetime, UTC
from os import environ
from pathlib import Path
from httpx import AsyncClient
from random import random as chance
from concurrent.futures import ThreadPoolExecutor
print(time.time())
print(time.monotonic())
time.sleep(1)
print(datetime.now(UTC))
print(dt.datetime.now(UTC))
print(datetime.utcnow())
print(date.today())
print(os.environ["HOME"])
print(os.getenv("HOME"))
open("file")
io.open("file")
threading.Thread(target=print)
socket.socket()
socket.getaddrinfo("host", 80)
""".strip().splitlines()

# These imports are only needed by the lines that follow them.
HARMLESS = {"io", "os", "socket", "threading", "time"}

ALLOWED = """
import socket
import threading
from datetime import UTC, datetime
ADDRESS = socket.inet_pton(socket.AF_INET6, "::1")
LOCK = threading.Lock()
BEGIN = datetime.fromtimestamp(0, UTC)
""".lstrip()


def rejected_lines(filename: str, code: str) -> set[int]:
    """Return the numbers of the lines that ruff rejects in a file of this name."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID251,PTH123", "--output-format=json"]
    done = subprocess.run(
        [*command, f"--stdin-filename={filename}", "-"],
        input=code,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,  # seconds; it needs a tenth of one
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {finding["location"]["row"] for finding in json.loads(done.stdout)}


@each_row(
    "filename",
    ["src/anycreds/_cache/state.py", "src/anycreds/_providers/imds/provider.py", "src/anycreds/_wire/json.py"],
)
def test_the_core_cannot_bypass_io(filename: str) -> None:
    """In the core, ruff rejects clocks, randomness, files, threads and networks."""
    expected = {
        number
        for number, line in enumerate(BANNED, 1)
        if line.removeprefix("import ") not in HARMLESS and not line.startswith(("import datetime", "from datetime"))
    }
    assert rejected_lines(filename, "\n".join(BANNED)) == expected


def test_the_core_may_use_locks_and_dates() -> None:
    """In the core, locks, dates and addresses are allowed."""
    assert rejected_lines("src/anycreds/_cache/state.py", ALLOWED) == set()


@each_row(
    "filename",
    [
        "src/anycreds/_system/threads.py",
        "src/anycreds/testing/_clock.py",
        "src/anycreds/_cli/demo/scenarios.py",
        "tests/test_x.py",
    ],
)
def test_other_packages_may_do_io(filename: str) -> None:
    """Outside the core, ruff rejects only ``open()``, which pathlib replaces."""
    rejected = rejected_lines(filename, "\n".join(BANNED))
    assert {BANNED[number - 1] for number in rejected} <= {'open("file")'}
