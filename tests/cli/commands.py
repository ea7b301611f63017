"""Run ``python -m anycreds`` in a process of its own, in the environment of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MODULE = (sys.executable, "-m", "anycreds")
TIMEOUT = 30.0  # seconds, for a few new interpreters on a busy machine; usually they need less than one
SERVE_LIMIT = ("--for", "2m")
"""Options of ``serve`` with which its process ends, also if the test fails."""
HOSTILE = "c'a\"n`ary$(touch hit)\\ ;&|<>#%!*?~[x]{y,z}=@^\u2018\u2019\u201a\u201b\u201c\u00e9\U0001f511 --"
"""Text that shells must not interpret, with every quotation mark. It ends like the beginning of an option."""


def run_module(
    *arguments: str, environ: Mapping[str, str] | None = None, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    """Run a command line and return its output."""
    return subprocess.run(
        [*MODULE, *arguments],
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding=encoding,
        timeout=TIMEOUT,
        check=False,
    )


@contextmanager
def serving(
    *arguments: str, environ: Mapping[str, str] | None = None, ends_itself: bool = False
) -> Iterator[tuple[dict[str, str], int]]:
    """Run ``serve`` in the ``with``. The value is the variables that it prints, and its process id."""
    command = [*MODULE, "serve", "--json", *SERVE_LIMIT, *arguments]
    env = {**os.environ, **(environ or {})}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process.pid
        finally:
            if not ends_itself:
                process.terminate()
            assert process.wait(TIMEOUT) == 0


def write_config(home: Path, text: str) -> None:
    """Write the config file of an isolated home directory."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(text, encoding="utf-8")
