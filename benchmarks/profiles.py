"""One profile out of a config file of 1, 100 and 10,000, beside a minimal line scan and beside botocore's loader."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from anycreds._config.parser import read
from anycreds._config.parser.sections import Section, Sections

from .least import scanned
from .measuring import Row, ratio, span

COUNTS = (1, 100, 10_000)
# For files of that many profiles: of the time that a line scan takes, and of that of botocore's loader.
GOAL_SCAN, GOAL_BOTOCORE, GOAL_FROM = 4.0, 1 / 5, 10_000
LINES = 20_000  # read in one sample at least: some milliseconds, which no clock's grain disturbs
ROUNDS, QUICK_ROUNDS = 5, 2


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows. Nothing here waits, so no event loop runs."""
    return [row for count in COUNTS for row in _measure(loop, count, QUICK_ROUNDS if quick else ROUNDS)]


def _measure(loop: str, count: int, rounds: int) -> list[Row]:
    text = _text(count)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "config"
        file.write_text(text, encoding="utf-8")
        ways: list[Callable[[], Any]] = [
            lambda: _one_of(read(file.read_text(encoding="utf-8"), "config"), f"team-{count - 1}"),
            lambda: scanned(file.read_text(encoding="utf-8")),
        ]
        if find_spec("botocore"):
            from botocore.configloader import load_config

            ways.append(lambda: load_config(str(file)))
        times = max(1, LINES // text.count("\n"))
        mine, scan, *other = _sampled(ways, rounds, times)
    what = f"config file, {count:,} profiles" if count > 1 else "config file, 1 profile"
    has_goal = count >= GOAL_FROM
    goal = GOAL_SCAN if has_goal else None
    rows = [_row(what, loop, mine, scan, floor_is="a minimal line scan of the same file", goal=goal)]
    if other:
        goal = GOAL_BOTOCORE if has_goal else None
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


def _one_of(sections: Sections, profile: str) -> Section:
    """Return a profile, which is all that a program wants to know of them."""
    found = sections.section("profile", profile)
    assert found is not None
    return found


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
