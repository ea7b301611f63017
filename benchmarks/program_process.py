"""Runs a program in a fresh process, and measures its duration and peak memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from .measurement import PROGRAMS, ROOT, plain_environ

TIME_LIMIT = 30.0  # seconds; a program that takes longer is killed


class ProgramResult(NamedTuple):
    """The result of a program."""

    seconds: float
    memory: float
    """Bytes."""
    code: int
    last_error_line: str


def run_program(command: tuple[str, ...], environ: Mapping[str, str]) -> ProgramResult | None:
    """Run a program. Return None if it did not exit in time."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAMS / "spawn.py"), *command],
        cwd=ROOT,
        env=plain_environ(**environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that both processes can be killed at once
    ) as process:
        try:
            result, errors = process.communicate(timeout=TIME_LIMIT)
        except subprocess.TimeoutExpired:
            result = errors = ""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if not result:
        return None
    seconds, memory, code = result.split()
    return ProgramResult(float(seconds), float(memory), int(code), (errors.strip().splitlines() or [""])[-1])
