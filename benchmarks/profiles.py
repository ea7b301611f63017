"""One profile of a config file with 1, 100 and 10,000, compared with a minimal line scan and botocore's loader."""

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

from .measurement import Row, ratio, span
from .minimal_exchanges import scan_sections

COUNTS = (1, 100, 10_000)
# Goals, for files with at least GOAL_FROM profiles: ratio to a line scan, and to botocore's loader.
GOAL_SCAN, GOAL_BOTOCORE, GOAL_FROM = 1.5, 1 / 5, 10_000
LINES = 20_000  # at least, per sample: some milliseconds, well above the clock's resolution
ROUNDS, QUICK_ROUNDS = 5, 2


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the rows. Nothing is awaited, so no event loop runs."""
    return [row for count in COUNTS for row in _measure(loop, count, QUICK_ROUNDS if quick else ROUNDS)]


def _measure(loop: str, count: int, rounds: int) -> list[Row]:
    text = _text(count)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "config"
        file.write_text(text, encoding="utf-8")
        variants: list[Callable[[], Any]] = [
            lambda: _one_of(read(file.read_text(encoding="utf-8"), "config"), f"team-{count - 1}"),
            lambda: scan_sections(file.read_text(encoding="utf-8")),
        ]
        if find_spec("botocore"):
            from botocore.configloader import load_config

            variants.append(lambda: load_config(str(file)))
        times = max(1, LINES // text.count("\n"))
        mine, scan, *other = _sampled(variants, rounds, times)
    what = f"config file, {count:,} profiles" if count > 1 else "config file, 1 profile"
    has_goal = count >= GOAL_FROM
    goal = GOAL_SCAN if has_goal else None
    rows = [_row(what, loop, mine, scan, baseline_is="a minimal line scan of the same file", goal=goal)]
    if other:
        goal = GOAL_BOTOCORE if has_goal else None
        rows.append(
            _row(
                f"… {count:,}: compared with botocore", loop, mine, other[0], baseline_is="botocore's loader", goal=goal
            )
        )
    return rows


def _row(
    what: str, loop: str, mine: list[float], least: list[float], *, baseline_is: str, goal: float | None = None
) -> Row:
    judged = ratio(mine, least)
    return Row(what, loop, "s", span(mine), span(least), baseline_is, "ratio", judged, goal)


def _sampled(variants: list[Callable[[], Any]], rounds: int, times: int) -> list[list[float]]:
    """Measure every variant once per round, alternately. Return the seconds per call of each."""
    found: list[list[float]] = [[] for _ in variants]
    for _ in range(rounds):
        for figures, variant in zip(found, variants, strict=True):
            gc.collect()  # garbage of one variant must not slow down the next
            started = perf_counter()
            for _ in repeat(None, times):
                variant()
            figures.append((perf_counter() - started) / times)
    return found


def _one_of(sections: Sections, profile: str) -> Section:
    """Return the one profile that a program uses."""
    found = sections.section("profile", profile)
    assert found is not None
    return found


def _text(count: int) -> str:
    """Return a config file with ``count`` profiles of four settings each."""
    return "".join(
        f"[profile team-{number}]\n"
        "region = eu-west-1\n"
        f"role_arn = arn:aws:iam::123456789012:role/Team{number}\n"
        "source_profile = default\n"
        f"external_id = team-{number}\n\n"
        for number in range(count)
    )
