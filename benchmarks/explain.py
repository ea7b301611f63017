"""``python -m anycreds explain`` with environment keys, from start to exit, beside a Python that imports anyio."""

from __future__ import annotations

import subprocess
import sys
import time

from .measuring import LONGEST_PROGRAM, ROOT, Row, plain_environ, ratio, span

GOAL = 2.0
ROUNDS, QUICK_ROUNDS = 15, 4
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "no-secret"}
FLOOR, OURS = ("-c", "import anyio"), ("-m", "anycreds", "explain")


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row; no event loop runs here."""
    found: dict[tuple[str, ...], list[float]] = {FLOOR: [], OURS: []}
    for way in found:
        _seconds(way)  # so that everything is compiled, as installers do it
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for way, seconds in found.items():
            seconds.append(_seconds(way))
    return [
        Row(
            what="anycreds explain: environment keys",
            loop=loop,
            unit="s",
            ours=span(found[OURS]),
            floor=span(found[FLOOR]),
            floor_is="python -c 'import anyio'",
            kind="ratio",
            judged=ratio(found[OURS], found[FLOOR]),
            goal=GOAL,
        )
    ]


def _seconds(words: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=plain_environ(**KEYS),
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=LONGEST_PROGRAM,
    )
    return time.perf_counter() - started
