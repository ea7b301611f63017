"""``python -m benchmarks [--quick] [--only NAME] [--loop NAME] [--json FILE]``: measure, and print a table.

Each benchmark runs once for each event loop, in a process of its own. The exit code tells whether all could be measured
and what needs no luck is so (exchanges, modules); a goal that is missed shows in the table only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import (
    adapter_aiobotocore,
    adapter_httpx,
    assume_role,
    explain,
    first_keys,
    hit,
    imds,
    profiles,
    report,
    signing,
    silent,
    stall,
    waiters,
)
from .measuring import LOOPS, ROOT, Row, here, plain_environ

BENCHMARKS = {
    "hit": hit.measure,
    "waiters": waiters.measure,
    "first_keys": first_keys.measure,
    "explain": explain.measure,
    "imds": imds.measure,
    "assume_role": assume_role.measure,
    "stall": stall.measure,
    "profiles": profiles.measure,
    "signing": signing.measure,
    "adapter_aiobotocore": adapter_aiobotocore.measure,
    "adapter_httpx": adapter_httpx.measure,
    "silent": silent.measure,
}
SLOW = {("silent", "uvloop"), ("silent", "trio")}  # each waits for seconds, for the same second's sake
LOOPLESS = {"explain", "profiles", "signing"}  # no event loop runs there, so it is measured once
LONGEST = 120.0  # seconds for one benchmark on one event loop; each takes some seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.worker:
        rows = BENCHMARKS[options.only[0]](options.loop[0], quick=options.quick)
        json.dump([report.as_data(row) for row in rows], sys.stdout)
        return 0
    facts = report.machine()
    print(report.described(facts), end="\n\n", flush=True)
    started = time.perf_counter()
    rows, failed = _measure_all(options)
    print(report.table(rows))
    seconds = time.perf_counter() - started
    missed = [f"{row.what} [{row.loop}]" for row in rows if row.met is False]
    print(f"\n{len(rows)} figures in {seconds:.0f} s; goals missed: {', '.join(missed) or 'none'}")
    for what in failed:
        print(f"could not be measured: {what}")
    if options.json:
        data = {"quick": options.quick, "seconds": seconds, "machine": facts, "failed": failed}
        _write(options.json, {**data, "rows": [report.as_data(row) for row in rows]})
    return 1 if failed or any(row.kind == "exact" and not row.met for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure anycreds, each figure beside its floor."
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds and callers: about 20 seconds")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--loop", action="append", choices=LOOPS, metavar="NAME", help=", ".join(LOOPS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def _measure_all(options: argparse.Namespace) -> tuple[list[Row], list[str]]:
    rows: list[Row] = []
    failed: list[str] = []
    for name, loop in _plan(options):
        started = time.perf_counter()
        print(f"{name} on {loop} …", end="", file=sys.stderr, flush=True)
        try:
            rows += _in_own_process(name, loop, quick=options.quick)
        except (subprocess.SubprocessError, ValueError) as error:
            failed.append(f"{name} on {loop}: {type(error).__name__}")
        print(f" {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
    return rows, failed


def _plan(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for name in options.only or BENCHMARKS:
        loops = options.loop or LOOPS
        for loop in loops[:1] if name in LOOPLESS else loops:
            if not here(loop):
                print(f"{name} on {loop}: not installed", file=sys.stderr)
            elif options.quick and not options.loop and (name, loop) in SLOW:
                print(f"{name} on {loop}: not with --quick", file=sys.stderr)
            else:
                yield name, loop


def _in_own_process(name: str, loop: str, *, quick: bool) -> list[Row]:
    command = [sys.executable, "-m", "benchmarks", "--worker", "--only", name, "--loop", loop]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        cwd=ROOT,
        env=plain_environ(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=LONGEST,
    )
    return [report.from_data(data) for data in json.loads(done.stdout)]


def _write(file: Path, data: dict[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
