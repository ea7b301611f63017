"""Reading a config file of 1, 100 and 10,000 profiles, beside a minimal line scan and beside botocore's loader."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from anycreds._config.parser import parse

from .measuring import Row, ratio, span

COUNTS = (1, 100, 10_000)
GOAL, GOAL_FROM = 1 / 5, 10_000  # of the time that botocore's loader takes, for files of that many profiles
LINES = 20_000  # read in one sample at least: some milliseconds, which no clock's grain disturbs
ROUNDS, QUICK_ROUNDS = 9, 2


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows. Nothing here waits, so no event loop runs."""
    return [row for count in COUNTS for row in _measure(loop, count, QUICK_ROUNDS if quick else ROUNDS)]


def _measure(loop: str, count: int, rounds: int) -> list[Row]:
    text = _text(count)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "config"
        file.write_text(text, encoding="utf-8")
        ways: list[Callable[[], Any]] = [
            lambda: parse(file.read_text(encoding="utf-8"), "config"),
            lambda: _scanned(file.read_text(encoding="utf-8")),
        ]
        if find_spec("botocore"):
            from botocore.configloader import load_config

            ways.append(lambda: load_config(str(file)))
        times = max(1, LINES // text.count("\n"))
        mine, scan, *other = _sampled(ways, rounds, times)
    what = f"config file, {count:,} profiles" if count > 1 else "config file, 1 profile"
    rows = [_row(what, loop, mine, scan, floor_is="a minimal line scan of the same file")]
    if other:
        goal = GOAL if count >= GOAL_FROM else None
        rows.append(
            _row(f"… {count:,}: beside botocore", loop, mine, other[0], floor_is="botocore's loader", goal=goal)
        )
    return rows


def _row(
    what: str, loop: str, mine: list[float], least: list[float], *, floor_is: str, goal: float | None = None
) -> Row:
    judged = ratio(mine, least)
    return Row(what, loop, "s", span(mine), span(least), floor_is, "ratio", judged, goal)


def _sampled(ways: list[Callable[[], Any]], rounds: int, times: int) -> list[list[float]]:
    """Take every sample once a round, in turn. Return the seconds that one reading took, for each way."""
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(rounds):
        for figures, way in zip(found, ways, strict=True):
            gc.collect()  # so that none pays for what another left; while it reads, each pays for its own
            started = perf_counter()
            for _ in repeat(None, times):
                way()
            figures.append((perf_counter() - started) / times)
    return found


def _scanned(text: str) -> dict[str, dict[str, str]]:
    """Return the sections of a file without comments, nested settings, quotes or anything else of the grammar."""
    sections: dict[str, dict[str, str]] = {}
    here: dict[str, str] = {}
    for line in text.split("\n"):
        if line.startswith("["):
            here = sections.setdefault(line[1:-1], {})
        elif line:
            key, _, value = line.partition("=")
            here[key.strip()] = value.strip()
    return sections


def _text(count: int) -> str:
    """Return a config file of so many profiles, each of four settings."""
    return "".join(
        f"[profile team-{number}]\n"
        "region = eu-west-1\n"
        f"role_arn = arn:aws:iam::123456789012:role/Team{number}\n"
        "source_profile = default\n"
        f"external_id = team-{number}\n\n"
        for number in range(count)
    )
