"""The goals of reliability and their table: ``python tests/support/goal_report.py FILE.json [--write]``.

The file is what pytest has written with ``--goals``. The command prints a line per goal, writes the table of
``docs/reliability.md`` on demand, and exits with 1 unless every goal has passed. ``nox -s faults`` calls it.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- written by nox -s faults -- --write -->", "<!-- end of what is written -->"
_UNMEASURED = "not measured"


class Goal(NamedTuple):
    """What is promised, and what was measured of other libraries."""

    promise: str
    peers: str = _UNMEASURED


GOALS = {
    "G1": Goal(
        "A caller that is cancelled at any await of a refresh costs no other caller anything",
        "aiobotocore: k cancellations cause k + 1 calls, and for k = 3 a wait of 0.93 in place of 0.34 s",
    ),
    "G2": Goal(
        "In random schedules of calls, deadlines, invalidations and failures each caller is served, by one call at a "
        "time, the same on trio and asyncio",
        "aiobotocore: 287 callers not served in 198 of 2,000 schedules; up to 9 calls at a time",
    ),
    "G3": Goal(
        "Deadlines that are all shorter than a refresh do not prevent it",
        "aiobotocore: 0 of 120 callers served",
    ),
    "G4": Goal(
        "A failure reaches all waiting callers at the same moment, after one attempt",
        "aiobotocore: 4 callers, 12 calls, the last error after 12.4 s; JavaScript: 20 callers, 3 calls",
    ),
    "G5": Goal(
        "For a day of outages, failures and clock steps no caller gets unmarked expired credentials, an error while "
        "credentials are valid, or fields of different credentials",
        "botocore: errors from 600 s before the expiration; an expired SSO token without an error",
    ),
    "G6": Goal(
        "A service that returns the same credentials is called at most once in 5 minutes while they are valid, and no "
        "failure causes more than a call a second",
        "1,000 calls in the refresh window cause 1,001 requests (aiobotocore), 563 (JavaScript)",
    ),
    "G7": Goal(
        "Each failure of a service ends at its time limit exactly, with its connection closed",
        "a response that drips: no end (aiobotocore, JavaScript); a silent service: JavaScript over 200 s",
    ),
    "G8": Goal(
        "No response takes more than 1 MiB of memory, whatever its size and encoding",
        "128 MiB sent: aiobotocore + 258 MiB, JavaScript + 404 MiB; 63 KiB compressed: + 136 MiB (httpx)",
    ),
    "G9": Goal(
        "Whatever nine readers of untrusted input get, they raise only CredentialsError, accept no value of a wrong "
        "type and take less than 50 ms",
        "of malformed documents 31 of 59 (aiobotocore) and 15 of 54 (JavaScript) raise something else; of 20,000 "
        "shared files 0 (botocore)",
    ),
    "G10": Goal(
        "A command that is cancelled or killed at any moment leaves no process and no descriptor",
        "aiobotocore: 3 and 2 processes left; no answer in 3 s beside a process that holds the pipe",
    ),
    "G11": Goal(
        "No provider blocks the event loop for more than 10 ms",
        "aiobotocore: blocked without end by a named pipe",
    ),
    "G12": Goal(
        "One provider serves event loops one after another, in threads, and in a forked child",
        "aiobotocore: 1 of 5 calls in the second run; after a cancellation none in later runs",
    ),
    "G13": Goal(
        "No secret appears in logs, errors, warnings or output",
        "botocore and aiobotocore: 6 different leaks in one small probe",
    ),
    "G14": Goal(
        "Processes that share a token file spend no single-use refresh token twice, and lose no sign-in unless a "
        "process is killed between response and write",
        "no lock seen; aws-cli writes in place, JavaScript without a mode, Rust changes the mode afterwards",
    ),
    "G15": Goal(
        "No credentials are requested outside the list of permitted hosts, whatever URL, name, redirect or proxy says",
        "aiobotocore with aiohttp follows redirects; its proxy gets the requests for EC2 metadata",
    ),
    "G16": Goal(
        "EC2 metadata is not asked for credentials without a session token",
        "aiobotocore, JavaScript: 2 of 2 requests without a token where the token request hangs",
    ),
    "G17": Goal("What AWS's SDKs do in the same situation is done, or the difference is documented"),
    "G18": Goal("No test leaves a task, thread, descriptor, temporary file or warning behind"),
    "G19": Goal("10,000 failed refreshes take no memory, and their errors do not grow"),
    "G20": Goal("Ctrl-C ends a program within a second, with no process left"),
    "G24": Goal("A response in pieces is a response; one that is cut off is an error, at any byte"),
}


def lines(results: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line per goal for a terminal, and the tests that did not pass."""
    for name, goal in GOALS.items():
        result = _result(results, name)
        yield f"{name:<4}{_word(result)}  {result['figure'] or _UNMEASURED} [{result['budget']}] - {goal.promise}"
        for test, outcome in result["not_passed"].items():
            yield f"      {outcome}: {test}"


def table(results: Mapping[str, Any]) -> str:
    """Return the table of the page."""
    rows = [("goal", "what is promised", "measured", "budget", "result", "other libraries"), ("---",) * 6]
    for name, goal in GOALS.items():
        result = _result(results, name)
        figure = result["figure"] or _UNMEASURED
        rows.append((name, goal.promise, figure, result["budget"], _word(result), goal.peers))
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |\n" for row in rows)


def page_with(page: str, results: Mapping[str, Any]) -> str:
    """Return the page with a new table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}"


def has_passed(results: Mapping[str, Any]) -> bool:
    """Return whether every goal has passed."""
    return all(_result(results, name)["passed"] for name in GOALS)


def _result(results: Mapping[str, Any], name: str) -> dict[str, Any]:
    missing = {"figure": "", "budget": "", "tests": 0, "not_passed": {}, "passed": False}
    found: dict[str, Any] = results.get(name, missing)
    return found


def _word(result: Mapping[str, Any]) -> str:
    return "passed" if result["passed"] else "FAILED"


def main() -> int:
    """Print the table of a file, and write the page with ``--write``."""
    file, *options = sys.argv[1:]
    results = json.loads(Path(file).read_text())
    for line in lines(results):
        sys.stdout.write(textwrap.fill(line, 118, subsequent_indent=" " * 12) + "\n")
    if "--write" in options:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0 if has_passed(results) else 1


if __name__ == "__main__":
    sys.exit(main())
