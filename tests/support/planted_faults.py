"""Plants faults in copies of the package, one at a time, and checks that the tests notice each.

``python tests/support/planted_faults.py`` does so for ``tests/planted_faults.toml``; arguments select faults by ID.
Each fault replaces one text of one module, and names tests of which one has to fail then. Without a fault all pass.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import NamedTuple

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "src" / "anycreds"
TIMEOUT = 30  # seconds for each test: with some faults a test never ends
FAILED = 1  # pytest's exit code if a test has failed; others say that it could not run them


class PlantedFault(NamedTuple):
    """One fault."""

    id: str
    what: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...]

    def plant(self, package: Path) -> None:
        """Change a copy of the package."""
        path = package / self.module
        path.write_text(self.replaced(path.read_text(encoding="utf-8")), encoding="utf-8")

    def replaced(self, source: str) -> str:
        """Return the source of the module with the fault."""
        if (found := source.count(self.old)) != 1:
            raise ValueError(f"{self.id}: {self.module} contains the text to be replaced {found} times")
        return source.replace(self.old, self.new)


class Verdict(NamedTuple):
    """What the tests said about one fault, or about the package without one."""

    exit_code: int
    seconds: float
    failed: tuple[str, ...]
    output: str


def load() -> list[PlantedFault]:
    """Return all faults."""
    entries = tomllib.loads((TESTS / "planted_faults.toml").read_text(encoding="utf-8"))["fault"]
    return [PlantedFault(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def run_tests(tests: Sequence[str], fault: PlantedFault | None = None) -> Verdict:
    """Run tests on a copy of the package, up to the first that fails."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder, "anycreds")
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        if fault is not None:
            fault.plant(package)
        options = ("-x", "-q", "--no-header", "-rfE", "--tb=no", f"--timeout={TIMEOUT}", "-p", "no:cacheprovider")
        environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environ.update(PYTHONPATH=folder, PYTHONDONTWRITEBYTECODE="1")
        started = monotonic()
        command = [sys.executable, "-m", "pytest", *options, *tests]
        run = subprocess.run(command, cwd=TESTS.parent, env=environ, capture_output=True, text=True, check=False)
    failed = tuple(re.findall(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE))
    return Verdict(run.returncode, monotonic() - started, failed, run.stdout + run.stderr)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(ids: Sequence[str]) -> int:
    """Print a line per fault, and how many were noticed. Return the exit code."""
    faults = [fault for fault in load() if not ids or fault.id in ids]
    started = monotonic()
    control = run_tests(sorted({test for fault in faults for test in fault.tests}))
    if control.exit_code != 0:
        say(control.output)
        say("the tests fail without a fault")
        return 1
    noticed = 0
    for fault, verdict in _run_all(faults):
        is_noticed = verdict.exit_code == FAILED
        noticed += is_noticed
        by = ", ".join(verdict.failed) or f"exit code {verdict.exit_code}"
        say(f"{'noticed' if is_noticed else 'MISSED '} {fault.id}: {fault.what} ({verdict.seconds:.1f} s; {by})")
        if verdict.exit_code not in (0, FAILED):
            say(verdict.output)
    say(f"{noticed} of {len(faults)} planted faults noticed, in {monotonic() - started:.0f} s")
    return 0 if noticed == len(faults) else 1


def _run_all(faults: Sequence[PlantedFault]) -> Iterator[tuple[PlantedFault, Verdict]]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(faults, pool.map(lambda fault: run_tests(fault.tests, fault), faults), strict=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
