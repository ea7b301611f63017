"""A program in a fresh process, from outside: how long it took from start to end, and the most memory that it had."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from .measuring import PROGRAMS, ROOT, plain_environ

CAP = 30.0  # seconds; what has not ended by itself by then, does not end


class Ended(NamedTuple):
    """What became of a program."""

    seconds: float
    memory: float
    """Bytes."""
    code: int
    last_words: str


def spawned(command: tuple[str, ...], environ: Mapping[str, str]) -> Ended | None:
    """Run a program to its end; None: it did not come to it in time."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAMS / "spawn.py"), *command],
        cwd=ROOT,
        env=plain_environ(**environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that both can be ended at once
    ) as process:
        try:
            told, errors = process.communicate(timeout=CAP)
        except subprocess.TimeoutExpired:
            told = errors = ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if not told:
        return None
    seconds, memory, code = told.split()
    return Ended(float(seconds), float(memory), int(code), (errors.strip().splitlines() or [""])[-1])
