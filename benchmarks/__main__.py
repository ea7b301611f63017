"""``python -m benchmarks [--quick] [--only NAME] [--loop NAME] [--callers N] [--json FILE] [--results FOLDER]``.

Compares anycreds with minimal baselines and with other libraries, and prints tables. The exit code is 1 if a benchmark
failed or a deterministic figure (requests, modules) is wrong. A missed goal is only shown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from . import fleet_tables, results, summary
from .measurement import LOOPS
from .runner import BENCHMARKS, COMPARISONS, run, run_worker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit code."""
    options = _parser().parse_args(arguments)
    if options.worker:
        run_worker(options)
        return 0
    started = time.perf_counter()
    found = run(options)
    data = results.as_data(found, seconds=time.perf_counter() - started, quick=options.quick)
    text = results.as_text(found, data)
    print(text)
    if options.json:
        results.write(data, options.json)
    if options.results:
        _write_all(options.results, text, data)
    is_wrong = any(row.kind == "exact" and not row.met for row in found.rows)
    return 1 if found.failed or is_wrong else 0


def _write_all(folder: Path, text: str, data: results.Data) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.txt").write_text(text + "\n", encoding="utf-8")
    results.write(data, folder / "results.json")
    for name, tables in (("summary", summary.tables), ("fleet", fleet_tables.tables)):
        if (short := tables(data)) is not None:
            (folder / f"{name}.md").write_text(short, encoding="utf-8")
    if find_spec("matplotlib"):
        from .plots import draw

        draw(data, folder)
    else:
        print("no plots: matplotlib is not installed", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare anycreds with minimal baselines and with other libraries."
    )
    names = [*COMPARISONS, *BENCHMARKS]
    parser.add_argument(
        "--quick", action="store_true", help="take less than a minute, with fewer benchmarks and rounds"
    )
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--loop", action="append", choices=LOOPS, metavar="NAME", help=", ".join(LOOPS))
    parser.add_argument(
        "--callers", action="append", type=int, metavar="N", help="run every scenario with this number of callers"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures to this file")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="also write tables, figures and plots to this folder"
    )
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
