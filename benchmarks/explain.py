"""``python -m anycreds explain`` with environment keys, from start to exit, compared with ``import anyio``."""

from __future__ import annotations

import subprocess
import sys
import time

from .measurement import PROGRAM_TIMEOUT, ROOT, Row, plain_environ, ratio, span

GOAL = 2.0
ROUNDS, QUICK_ROUNDS = 15, 4
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "no-secret"}
BASELINE, OURS = ("-c", "import anyio"), ("-m", "anycreds", "explain")


def measure(loop: str, *, quick: bool) -> list[Row]:
    """Return the row. No event loop runs."""
    found: dict[tuple[str, ...], list[float]] = {BASELINE: [], OURS: []}
    for variant in found:
        _seconds(variant)  # compile everything, as installers do
    for _ in range(QUICK_ROUNDS if quick else ROUNDS):
        for variant, seconds in found.items():
            seconds.append(_seconds(variant))
    return [
        Row(
            what="anycreds explain: environment keys",
            loop=loop,
            unit="s",
            ours=span(found[OURS]),
            baseline=span(found[BASELINE]),
            baseline_is="python -c 'import anyio'",
            kind="ratio",
            judged=ratio(found[OURS], found[BASELINE]),
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
        timeout=PROGRAM_TIMEOUT,
    )
    return time.perf_counter() - started
